"""Units as a person writes and reads them: one table for constraints, texts and the page."""

PREFIXES: dict[str, tuple[tuple[float, str], ...]] = {  # by SI unit, largest first
    "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
    "MAC": ((1e9, "G MACs"), (1e6, "M MACs"), (1e3, "k MACs"), (1.0, "MACs")),
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "J": ((1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ")),
    "d": ((365.25, "years"), (1.0, "d")),
    "bit/s": ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1.0, "bit/s")),
    "J/bit": ((1e-3, "mJ/bit"), (1e-6, "µJ/bit"), (1e-9, "nJ/bit"), (1e-12, "pJ/bit")),
}
_ALSO_READ: dict[str, dict[str, float]] = {
    "": {"%": 0.01},
    "B": {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30},
    "s": {"us": 1e-6},
    "J": {"uJ": 1e-6},
    "MAC": {"MAC": 1.0, "kMAC": 1e3, "MMAC": 1e6, "GMAC": 1e9},
}


def unit_scales(unit: str) -> dict[str, float]:
    """Texts that are read as a multiple of an SI unit, and how many of it each is.

    Example:
        >>> unit_scales("s")
        {'s': 1.0, 'ms': 0.001, 'µs': 1e-06, 'us': 1e-06}
    """
    written = {text: scale for scale, text in PREFIXES.get(unit, ()) if " " not in text}
    return written | _ALSO_READ.get(unit, {})


def scale_of(text: str, unit: str) -> float | None:
    """How many of an SI unit a text stands for; None where it is no such unit.

    Case decides only where it must: 5 MJ are not 5 mJ.

    Example:
        >>> scale_of("kib", "B"), scale_of("MJ", "J")
        (1024.0, None)
    """
    scales = {"": 1.0} | unit_scales(unit)
    if text in scales:
        return scales[text]
    folded: dict[str, set[float]] = {}
    for name, scale in scales.items():
        folded.setdefault(name.lower(), set()).add(scale)
    found = folded.get(text.lower(), set()) if unit != "J" else set()
    return found.pop() if len(found) == 1 else None
