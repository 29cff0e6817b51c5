import io

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from explorer.utils.tables import make_table

WORDS = st.text("abcdefg", min_size=1, max_size=60)


@settings(max_examples=20)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4), st.integers(20, 80))
def test_every_character_of_every_cell_is_shown(rows: list[tuple[str, str]], width: int) -> None:
    table = make_table("X", "Y", right=["Y"])
    for row in rows:
        table.add_row(*row)
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    assert sorted(text.replace("\n", "").replace(" ", "")) == sorted("XY" + "".join(map("".join, rows)))
