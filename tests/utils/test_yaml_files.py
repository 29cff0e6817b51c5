"""Strict YAML: what a person may write is read, all else is refused in one sentence with key and line."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import UserError
from explorer.utils.yaml_files import MAX_BYTES, MAX_DEPTH, MAX_VALUES, parse_yaml, read_yaml

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz-_0", min_size=1), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcxyz", min_size=1), PLAIN))
def test_plain_data_is_read_as_it_was_written(content: dict[str, object]) -> None:
    assert parse_yaml(yaml.safe_dump(content), "file") == content


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("+.5E3", 500.0),
        ("1.", 1.0),
        ("-3", -3),
        ("0x1F", 31),
        ("1_0", 10),
        ("0.07", 0.07),
        ("-0", 0),
    ],
)
def test_numbers(text: str, value: float) -> None:
    assert parse_yaml(f"key: {text}", "file") == {"key": value}


def laughs(form: str) -> str:
    """Each anchor stands for ten of the one before."""
    lines = [f"a{i}: &a{i} {form.format(', '.join([f'*a{i - 1}'] * 10))}" for i in range(1, 9)]
    return "\n".join(["a0: &a0 {x: 1}", *lines])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n  b: 1\n  c: 2\n  b: 3", "f.yaml: a.b: stands twice, in lines 2 and 4"),
        ("when: 2024-01-01", "f.yaml: when: must not be a date; .*, got '2024-01-01' .line 1"),
        ("when: 2024-13-45", "f.yaml: when: must not be a date"),
        ("when: !!timestamp now", "f.yaml: when: must not be a date"),
        ("a: [1, .nan]", "f.yaml: a.1: must be a finite number, got '.nan'"),
        ("a: -.inf", "must be a finite number, got '-.inf'"),
        ("a: 1e400", "must be a finite number, got '1e400'"),
        ("a: 1e999999999", "must be a finite number"),
        (f"a: {'9' * 5000}", "f.yaml: a: must be a whole number of at most 64 bits, got '99999"),
        (f"a: {2**63}", "must be a whole number of at most 64 bits"),
        (
            "a: 010",
            "f.yaml: a: must have neither leading zeros nor colons as a number; .*, got '010' .line 1",
        ),
        ("a: -0_7", "must have neither leading zeros"),
        ("a: 09", "must have neither leading zeros"),
        ("a: 1:30", "must have neither leading zeros nor colons"),
        ("a: !!int text", "must be a whole number of at most 64 bits, got 'text'"),
        ("a: !!bool maybe", "must be true or false, got 'maybe'"),
        ('a: "\\uD800"', "must be text that UTF-8 can hold"),
        ('a: "\\0"', "must be text that UTF-8 can hold, without NUL"),
        ("a: !!python/object/apply:os.getcwd []", "must be plain data, got the tag python/object"),
        ("a: !!set {x}", "must be plain data, got the tag set"),
        ("a: !mine 3", "must be plain data, got the tag !mine"),
        ("a: {1: 2}", "f.yaml: a: keys must be text, in quotes where need be, got '1'"),
        ("a: {yes: 2}", "keys must be text, .* got 'yes'"),
        ("? [1]\n: 2", "keys must be text, .* got a list or a mapping"),
        ("<<: 3", "`<<` must name a mapping or several"),
        ("a: " + "[" * 10_000_000, f"nested deeper than {MAX_DEPTH} levels"),
        ("- " * 100_000, f"nested deeper than {MAX_DEPTH} levels"),
        ("a: &a [*a]", f"at most {MAX_VALUES:,} values"),
        (laughs("[{}]"), f"at most {MAX_VALUES:,} values"),
        (laughs("{{<<: [{}]}}"), f"at most {MAX_VALUES:,} values"),
        ("a: [1, 2\nb: }", "not valid YAML: .*line 2"),
        ("a: \x07", "not valid YAML: unacceptable character"),
        ("a: 1\n---\nb: 2", "not valid YAML: but found another document"),
        ("- a list", r"must be a mapping of keys, got \['a list'\]"),
        ("", "must be a mapping of keys, got None"),
    ],
    ids=lambda text: text[:24],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        parse_yaml(text, "f.yaml")
    assert len(str(refused.value)) < 300


def test_merged_keys_come_before_own_ones() -> None:
    text = "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nmine: {<<: [*b, *o], x: 5}"
    assert parse_yaml(text, "file")["mine"] == {"x": 5, "y": 2, "z": 4}


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_text("a: 1\n" + "#" * MAX_BYTES)
    with pytest.raises(UserError, match=r"large.yaml: must have at most 262,144 bytes, got more"):
        read_yaml(tmp_path / "large.yaml", "large.yaml")
    with pytest.raises(UserError, match="must be a file, got a folder, a pipe or a device"):
        read_yaml(Path("/dev/zero"), "/dev/zero")
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_yaml(tmp_path / "bom.yaml", "bom.yaml")[0] == {"a": 1}
