"""The C functions that programs are made of: read from the sections of three files, with what each needs."""

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

_HEAD = re.compile(r"^/\* ## (\w+):? ?([\w ]*) ?\*/\n", re.MULTILINE)
SHARED = ("kernels.c", "output.c")


@cache
def sections(file: str) -> dict[str, tuple[tuple[str, ...], str]]:
    """What each section of a C file needs, and its text, by name.

    Example:
        >>> needed, text = sections("kernels.c")["transpose"]
        >>> needed, text.splitlines()[0]
        (('types',), '/* Each of so many tables of rows and columns to its columns and rows. */')
    """
    content = resources.files("explorer.microcontroller").joinpath("c", file).read_text("utf-8")
    heads = list(_HEAD.finditer(content))
    ends = [own.start() for own in heads[1:]] + [len(content)]
    return {
        head[1]: (tuple(head[2].split()), content[head.end() : end].strip())
        for head, end in zip(heads, ends, strict=True)
    }


def functions(source: str, wanted: Iterable[str]) -> list[tuple[str, str]]:
    """Names and texts of sections, each behind those that it needs.

    Args:
        source: File with the functions of one kind of numbers.
        wanted: Sections to start with.

    Example:
        >>> [name for name, _ in functions("float.c", ["average_pool"])]
        ['types', 'window', 'average', 'average_pool']
    """
    return list(_functions(source, tuple(wanted)))


@cache
def _functions(source: str, wanted: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    known = {name: own for file in (source, *SHARED) for name, own in sections(file).items()}
    found = dict[str, str]()

    def add(name: str) -> None:
        needed, text = known[name]
        for other in needed:
            add(other)
        found.setdefault(name, text)

    for name in wanted:
        add(name)
    return tuple(found.items())
