"""The C functions: every one that is needed is there, once, before it is used."""

import pytest

from explorer.microcontroller.kernels import SHARED, functions, sections


@pytest.mark.parametrize("source", ["float.c", "int8.c"])
def test_what_a_section_needs_comes_before_it(source: str) -> None:
    names = [name for file in (source, *SHARED) for name in sections(file)]
    assert len(names) == len(set(names))
    for wanted in names:
        try:
            found = [name for name, _ in functions(source, [wanted])]
        except KeyError:
            assert source == "int8.c"
            assert wanted in ("hard_swish", "sigmoid", "clamp")
            continue
        assert found[-1] == wanted
        assert len(found) == len(set(found))


def test_both_kinds_of_numbers_have_what_the_shared_functions_need() -> None:
    needed = {name for file in SHARED for own in sections(file).values() for name in own[0]}
    own = {name for file in SHARED for name in sections(file)}
    for source in ("float.c", "int8.c"):
        assert needed - own <= set(sections(source))
