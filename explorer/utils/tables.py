"""Tables for a terminal, of which nothing is cut."""

from collections.abc import Sequence

from rich.table import Table


def make_table(*headings: str, right: Sequence[str] = (), title: str | None = None) -> Table:
    """A table without lines, whose cells go on below where the terminal is too narrow for them.

    Args:
        headings: One per column.
        right: Those of columns that stand to the right, as numbers do.
        title: Stands above, to the left.

    Example:
        >>> from rich.console import Console
        >>> table = make_table("point", "MACs", right=["MACs"])
        >>> table.add_row("cnn-3e3865ad4d97", "640")
        >>> Console(width=16).print(table)
        point       MACs
        cnn-3e3865   640
        ad4d97
    """
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold", justify="right" if heading in right else "left")
    return table
