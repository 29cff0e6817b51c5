"""Networks passed between run folders through a database."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from optuna.study import StudyDirection
from stand_ins import fabricate, make_proposer

from explorer.core.sweep import sweep
from explorer.costs.evaluate import EvaluatedNetwork
from explorer.engine.storage.database import connecting
from explorer.engine.storage.network_sync import PostgresNetworkSync
from explorer.errors import UserError
from explorer.runs.store import Store

Side = tuple[Store, PostgresNetworkSync]


@pytest.fixture
def sides(postgres_url: str, tmp_path: Path) -> Iterator[tuple[Side, Side]]:
    """Two processes of one study, each with a run folder."""
    storage = optuna.storages.RDBStorage(postgres_url)
    study_id = storage.create_new_study([StudyDirection.MAXIMIZE], "study")
    with ExitStack() as stack:
        found = []
        for name in ("one", "two"):
            connection, store = stack.enter_context(connecting(postgres_url)), Store(tmp_path / name)
            PostgresNetworkSync.create_tables(connection)
            found.append((store, PostgresNetworkSync(connection, study_id, store)))
        yield found[0], found[1]


def network(number: int, epochs: int = 1, seconds: float = 0.25) -> EvaluatedNetwork:
    proposer = make_proposer()
    made = fabricate(proposer.network(proposer.inventory.variants["mlp"][number], "block", {}))
    return replace(made, training=replace(made.training, epochs=epochs, seconds=seconds))


def keep(store: Store, trained: EvaluatedNetwork) -> str:
    points = sweep(trained.evidence, 0.0, 1.0)
    store.write(trained, points)
    return trained.spec.key


def publish(store: Store, sync: PostgresNetworkSync, key: str) -> None:
    sync.publisher(key)(store.read_files(key))


def contents(store: Store, key: str) -> dict[str, bytes]:
    folder = store.networks / key
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()
    }


def test_what_one_publishes_the_other_gets_byte_by_byte(sides: tuple[Side, Side]) -> None:
    (one, from_one), (two, from_two) = sides
    keys = [keep(one, network(number)) for number in range(2)]
    for key in keys:
        publish(one, from_one, key)
    assert from_two.pull() == keys
    assert from_two.pull() == []
    assert from_two.taken == 2
    for key in keys:
        assert contents(one, key) == contents(two, key)
        assert two.read(key).spec.key == key
    assert from_one.pull() == []  # its own
    assert not [path for path in two.networks.iterdir() if path.name.startswith(".")]


def test_a_network_trained_further_replaces_itself_everywhere(sides: tuple[Side, Side]) -> None:
    (one, from_one), (two, from_two) = sides
    key = keep(one, network(0, epochs=1))
    publish(one, from_one, key)
    assert from_two.pull() == [key]
    keep(two, network(0, epochs=3))
    publish(two, from_two, key)
    assert from_one.pull() == [key]
    assert one.read(key).training.epochs == 3
    assert one.earlier_epochs(key) == [1]
    assert contents(one, key) == contents(two, key)
    keep(one, network(0, epochs=2))
    publish(one, from_one, key)  # not as far: what is there stays
    assert from_two.pull() == []
    assert two.read(key).training.epochs == 3


def test_the_first_of_two_trainings_is_everybodys(sides: tuple[Side, Side]) -> None:
    """As after a connection that was lost: both fronts must be the same in the end."""
    (one, from_one), (two, from_two) = sides
    key = keep(one, network(0, seconds=1.0))
    keep(two, network(0, seconds=2.0))
    publish(one, from_one, key)
    publish(two, from_two, key)
    assert from_one.pull() == []
    assert from_two.pull() == [key]
    assert contents(one, key) == contents(two, key)


def test_dropped_weights_are_not_fetched_again(sides: tuple[Side, Side]) -> None:
    (one, from_one), (two, from_two) = sides
    key = keep(one, network(0))
    publish(one, from_one, key)
    from_two.pull()
    two.drop_weights(key)
    again = PostgresNetworkSync(from_two._connection, from_two._study_id, two)
    assert again.pull() == []
    assert not two.has_weights(key)


def tamper(url: str, statement: str) -> None:
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(statement))
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE explorer_network_files SET name = '../../x' WHERE name = 'points.parquet'", "'../../x'"),
        ("UPDATE explorer_network_files SET name = '/etc/x' WHERE name = 'points.parquet'", "'/etc/x'"),
        (
            "UPDATE explorer_network_files SET name = 'earlier/../x' WHERE name = 'points.parquet'",
            "'earlier/",
        ),
        ("UPDATE explorer_networks SET key = '../outside'", "'../outside'"),
        ("UPDATE explorer_networks SET key = 'mlp-000000000000'", "says another key"),
        ("DELETE FROM explorer_network_files WHERE name = 'network.json'", "missing"),
    ],
)
def test_names_from_the_database_never_become_paths(
    sides: tuple[Side, Side], postgres_url: str, tmp_path: Path, statement: str, message: str
) -> None:
    (one, from_one), (two, from_two) = sides
    publish(one, from_one, keep(one, network(0)))
    tamper(postgres_url, statement)
    with pytest.raises(UserError, match=message):
        from_two.pull()
    assert list(two) == []
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two"}


def test_networks_go_with_their_study(sides: tuple[Side, Side], postgres_url: str) -> None:
    (one, from_one), _ = sides
    publish(one, from_one, keep(one, network(0)))
    optuna.delete_study(study_name="study", storage=postgres_url)
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.connect() as connection:
        for table in ("explorer_networks", "explorer_network_files"):
            assert connection.scalar(sqlalchemy.text(f"SELECT count(*) FROM {table}")) == 0
    engine.dispose()
