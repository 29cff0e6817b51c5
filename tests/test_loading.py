"""A user's own factory: found from the working directory, called with what it asks for."""

from pathlib import Path

import pytest
from torch import nn

from explorer.backbones import build_backbone
from explorer.errors import UserError

PACKAGE = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, input_shape, num_classes, width=8):
        super().__init__(nn.Linear(input_shape[0], width), nn.ReLU(), nn.Linear(width, num_classes))

def make_net(num_classes, **others):
    assert set(others) == {"input_shape"}
    return Net((4,), num_classes)

def fixed():
    return Net((4,), 3)

not_callable = 3
"""


@pytest.fixture(autouse=True)
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_package").mkdir()
    (tmp_path / "my_own_package" / "nets.py").write_text(PACKAGE)
    (tmp_path / "my_own_package" / "broken.py").write_text("def net(:\n")
    (tmp_path / "my_own_package" / "lacking.py").write_text("import no_such_library\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["Net", "make_net", "fixed"])
def test_a_factory_in_the_working_directory(name: str) -> None:
    module = build_backbone(f"my_own_package.nets:{name}", {}, (4,), 3, seed=0)
    assert [layer.out_features for layer in module if isinstance(layer, nn.Linear)] == [8, 3]


def test_its_arguments_are_the_spaces() -> None:
    module = build_backbone("my_own_package.nets:Net", {"width": 5}, (4,), 3, seed=0)
    assert module[0].out_features == 5


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("my_own_package.nets:other", "module 'my_own_package.nets' has no function 'other'"),
        ("my_own_package.nets:not_callable", "has no function 'not_callable'"),
        ("my_own_package.nowhere:net", "cannot import 'my_own_package.nowhere'"),
        ("my_own_package.lacking:net", "cannot import 'my_own_package.lacking': .*no_such_library"),
        ("my_own_package.broken:net", "cannot import 'my_own_package.broken': SyntaxError: .*broken.py"),
    ],
)
def test_what_cannot_be_imported(factory: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_backbone(factory, {}, (4,), 3, seed=0)
