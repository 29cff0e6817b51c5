"""Search spaces, profiles and command lines that are broken at random, in the ways that people break them."""

import random
import re
from collections.abc import Sequence
from typing import Any

import yaml

VALUES = (  # as they stand in a file
    *(
        "0",
        "-1",
        "1",
        "64",
        "-0.0",
        "1e-300",
        "1e300",
        "1000000000",
        "0x7f",
        "010",
        "1:30",
        "yes",
        "true",
        "null",
    ),
    *(
        ".nan",
        ".inf",
        "-.inf",
        "1e400",
        "1e999999999",
        "'1e999999999'",
        "1/0",
        "'1/3'",
        "1/3",
        "1e-999999999",
    ),
    *("9" * 5000, f"{2**70}", "'" + "9" * 5000 + "'", "2024-01-01", "2024-13-45", "2024-01-01 01:01:00"),
    *("!!timestamp now", "!!python/name:os.system", "!!binary aGk=", "!!set {a}", "!!int x", "!mine 3"),
    *("[]", "{}", "''", "[[]]", "[null]", "{a: 1}", "{null: 3}", "{1: 2}", "[1, 1]", "*nowhere", "&a [*a]"),
    *('"\\uD800"', '"\\0x"', '"\\e[2J"', '"\u202e"', "'[/]'", "<script>", "'{x}'", "'%s'", "x" * 10_000),
    *("../../etc/passwd", "/dev/zero", "/dev/zero.yaml", "host", "npz:/dev/zero", "npz:nope.npz", "folder:."),
    *("sys:exit", "os:getcwd", "os.path:join", "nope:nope", "explorer.backbones:mlp", "all", "auto"),
    *("[" * 50 + "]" * 50, "[" * 100_000, "- " * 50 + "x", "'" + "\u00fc" * 40 + "'", "inf", "nan"),
)
PIECES = (
    "\t",
    "\x00",
    "\x1b[31m",
    ":",
    "- ",
    "{",
    "}",
    "[",
    "&a ",
    "*a",
    "'",
    '"',
    "#",
    "|",
    "? ",
    "<<: 1",
    "\u202e",
)


def broken_file(text: str, rng: random.Random) -> tuple[str, str]:
    """A YAML file with one to three faults, and the top key of what was replaced (empty: anything)."""
    if rng.random() < 0.25:
        return broken_text(text, rng), ""
    content = yaml.safe_load(text)
    raw: list[str] = []
    top = ""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        top = _break_content(content, rng, raw) if not top else _break_content(content, rng, raw) and ""
    written = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return re.sub(r"raw-(\d+)-", lambda match: raw[int(match[1])], written), top


def broken_text(text: str, rng: random.Random) -> str:
    """Text with a line twice, gone, moved or indented, with a piece put in, or cut off."""
    lines = text.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    kind = rng.randrange(6)
    if kind == 0:
        lines.insert(rng.randrange(len(lines)), lines[at])
    elif kind == 1:
        del lines[at]
    elif kind == 2:
        lines[at] = " " * rng.randrange(1, 5) + lines[at]
    elif kind == 3:
        place = rng.randrange(len(lines[at]))
        lines[at] = lines[at][:place] + rng.choice(PIECES) + lines[at][place:]
    elif kind == 4:
        return text[: rng.randrange(len(text))]
    else:
        return text.replace(
            *rng.choice(((":", " :"), ("\n", "\r"), (" ", "\t"), ("e", "\u00e9"), (": ", ":")))
        )
    return "".join(lines)


def _break_content(content: dict[str, Any], rng: random.Random, raw: list[str]) -> str:
    """Change one place of nested data; what is put there is written as ``raw-N-``. Returns the top key."""
    places = list(_places(content, ()))
    path = rng.choice(places)
    parent: Any = content
    for step in path[:-1]:
        parent = parent[step]
    kind = rng.random()
    if kind < 0.7:
        raw.append(rng.choice(VALUES))
        parent[path[-1]] = f"raw-{len(raw) - 1}-"
    elif kind < 0.85:
        del parent[path[-1]]
    elif isinstance(parent, dict):
        parent[rng.choice(("colour", "seed", "1", "\u202e", "epochs"))] = rng.choice(("x", 1, None, []))
    else:
        parent.append(parent[path[-1]])
    return str(path[0])


def _places(content: Any, path: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    own = [path] if path else []
    if isinstance(content, dict):
        return own + [place for key, value in content.items() for place in _places(value, (*path, key))]
    if isinstance(content, list):
        return own + [
            place for index, value in enumerate(content) for place in _places(value, (*path, index))
        ]
    return own


COLUMNS = (
    *("accuracy", "exit_rate", "edge_macs", "edge_memory_bytes", "payload_bytes", "latency_model_s"),
    *(
        "energy_model_j",
        "accuracy_corrected",
        "edge_latency_host_s",
        "max_samples_per_day",
        "charm",
        "",
        "\x1b[2J",
    ),
)
NUMBERS = (
    "0",
    "1",
    "-1",
    "0.5",
    "64",
    "1e3",
    "1e308",
    "1e-308",
    "1e999",
    "nan",
    "inf",
    "",
    "x",
    "9" * 5000,
    "1_0",
)
UNITS = ("", " KiB", " %", " ms", "B", " parsec", " MMAC")
QUANTITIES = (
    *(
        "link.rtt_s",
        "link.uplink_bits_per_s",
        "link.loss",
        "link.duty_cycle",
        "link.tx_beta_w",
        "edge.active_w",
    ),
    *("edge.macs_per_s", "server.macs_per_s", "edge.charm", "moon.rtt_s", "", "link.packet_payload_bytes"),
    *("link.lora_spreading_factor", "link.message_energy_j", "edge.idle_w"),
)
PROFILES = (
    "rpi4",
    "stm32h7a3",
    "xeon_8124m",
    "ble_2m_dle",
    "lorawan_sf7",
    "lte_2021",
    "toaster",
    "",
    "x.yaml",
    "/",
)


def pick_line(run: str, rng: random.Random) -> list[str]:
    """A command line of ``explorer pick`` that may mean something."""
    words = [run if rng.random() < 0.97 else rng.choice(("nowhere", "", "/dev/null", "\x1b[2J", ".."))]
    words += ["--no-test"] if rng.random() < 0.9 else []
    words += ["--no-picture"] if rng.random() < 0.7 else []
    for _ in range(rng.randrange(5)):
        words += _option(rng)
    return words


def _option(rng: random.Random) -> Sequence[str]:
    column, number = rng.choice(COLUMNS), rng.choice(NUMBERS)
    rule = f"{column} {rng.choice(('<=', '>=', '<', '=='))} {number}{rng.choice(UNITS)}"
    several = ",".join(rng.sample(COLUMNS, rng.randrange(1, 4)))
    return rng.choice(
        (
            *(["--where", rule], ["--where", rule], ["--relax"], ["--assured"], ["--indifferent"]),
            *(["--objectives", several], [rng.choice(("--minimize", "--maximize")), column], ["--knee"]),
            *(["--closest-to-ideal"], ["--weights", f"{column}={number}"], ["--id", rng.choice(COLUMNS)]),
            ["--set", f"{rng.choice(QUANTITIES)}={number}"],
            [rng.choice(("--edge", "--server", "--link")), rng.choice(PROFILES)],
            ["--protocol", rng.choice(("http", "frame", "none", "mqtt", ""))],
            ["--battery-wh", number, "--samples-per-day", rng.choice(NUMBERS)],
            *(
                ["--cell", rng.choice(("li-ion", "li-socl2", "x"))],
                ["--json"],
                ["--fully-trained"],
                ["--wrong"],
            ),
        )
    )
