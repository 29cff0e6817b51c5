"""``explorer calibrate --out my_device.yaml``: time operators on a device, and write its profile."""

import argparse
import json
import sys
from collections.abc import Sequence
from math import inf
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from explorer.errors import UserError, run_command
from explorer.utils.arguments import make_parser

if TYPE_CHECKING:
    from explorer.devices import DeviceProfile
    from explorer.devices.calibration import Check
    from explorer.devices.micro_builder import MicroNetwork

EXAMPLES = """examples:
  explorer calibrate --out my_laptop.yaml     # this machine, as a profile to keep
  explorer calibrate --host                   # this machine anew, as the profile `host`
  explorer calibrate --folder to_my_device    # what another device needs; run python calibrate.py there
  explorer calibrate --times times.json --out my_device.yaml    # with what that wrote
"""
SECONDS = 60.0
_SCRIPT = '''"""Time the networks of this folder: python calibrate.py [SECONDS]; numpy, onnxruntime."""

import sys
from pathlib import Path

from runtime.timing import main

if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent, sys.argv[1:]))
'''


def main(arguments: Sequence[str] | None = None) -> int:
    """Calibrate and write."""
    return run(make_parser("explorer.calibrate", __doc__, EXAMPLES, add_arguments).parse_args(arguments))


def run(parsed: argparse.Namespace) -> int:
    """Calibrate as parsed arguments say."""
    from explorer.devices.calibration import calibrated_profile, cross_check, write_profile
    from explorer.devices.host import calibrate_host, host_file, time_here
    from explorer.devices.micro_networks import micro_networks

    if not 0 < parsed.seconds < inf:
        raise UserError(f"--seconds: must be above 0 and finite, got {parsed.seconds:g}")
    if parsed.folder is not None:
        return _write_folder(parsed.folder, micro_networks())
    if parsed.host:
        _show(calibrate_host(parsed.seconds), None, host_file())
        return 0
    if parsed.out is None or parsed.out.suffix != ".yaml":
        raise UserError(f"--out: must be given and end in .yaml, got {parsed.out}")
    _check_writable(parsed.out)
    networks = micro_networks()
    if parsed.times is not None:
        timed, where = _read_times(parsed.times, networks)
    else:
        timed, where = time_here(networks, parsed.seconds)
    profile = calibrated_profile(parsed.out.stem, networks, timed, where)
    write_profile(parsed.out, profile)
    _show(profile, cross_check(networks, timed), parsed.out)
    return 0


def _check_writable(path: Path) -> None:
    """What takes minutes to measure must not be lost for want of a place."""
    try:
        with TemporaryFile(dir=path.parent):
            return
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"--out: must lie in a folder that can be written ({why}), got {path}") from None


def _write_folder(folder: Path, networks: "list[MicroNetwork]") -> int:
    """Networks, run-time and script, for a device without this package."""
    import shutil
    from importlib import resources

    from explorer.runtime.timing import NETWORKS
    from explorer.utils.files import write_json, write_text

    if folder.exists():
        raise UserError(f"--folder: must not exist yet, got {folder}")
    folder.mkdir(parents=True)
    listed = list[dict[str, Any]]()
    for number, own in enumerate(networks):
        if own.codec is not None:
            elements, bits = own.codec
            call = own.operators[0].kind.partition("_")[0]
            listed.append({"name": own.name, "call": call, "elements": elements, "bits": bits})
        else:
            file = f"{number:03}.onnx"
            (folder / file).write_bytes(own.model)
            listed.append({"name": own.name, "file": file, "shape": list(own.shape)})
    write_json(folder / NETWORKS, listed)
    write_text(folder / "calibrate.py", _SCRIPT)
    with resources.as_file(resources.files("explorer.runtime")) as source:
        shutil.copytree(source, folder / "runtime", ignore=shutil.ignore_patterns("__pycache__"))
    print(f"written: {folder}; copy it to the device and run there: python calibrate.py")
    return 0


def _read_times(path: Path, networks: "list[MicroNetwork]") -> tuple[dict[str, Any], dict[str, Any]]:
    """What a device wrote; it must have timed the networks of this version."""
    from explorer.runtime.timing import Timed

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        timed = {str(name): Timed(**own) for name, own in content["times"].items()}
        where = {key: content[key] for key in ("processor", "threads", "onnxruntime")}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: is not what calibrate.py writes: {error!r}") from None
    if set(timed) != {own.name for own in networks}:
        raise UserError(f"{path}: times: must be those of this version's networks; make the folder anew")
    return timed, where


def _show(profile: "DeviceProfile", check: "Check | None", path: Path) -> None:
    """Print what was found and how far it can be trusted."""
    print(f"{profile.description}")
    print(f"  running a part: {1e6 * (profile.part_overhead_s or 0):.1f} us")
    for kind, own in sorted((profile.operators or {}).items()):
        call, mac, byte, group = own.terms
        print(
            f"  {kind:16} {1e6 * call:8.2f} us a call, {1e9 * mac:8.4f} ns a MAC, "
            f"{1e9 * byte:8.4f} ns a byte, {1e6 * group:7.3f} us a group"
        )
    print(f"  times spread by {profile.spread:.1%} (between quartiles, median over the networks)")
    if check is not None:
        ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in check.spearman.items())
        print(
            f"  {check.networks} chains that were left out: median error {check.median_error:.1%}, "
            f"{check.within_10:.0%} within 10 %; rank correlation: {ranks}"
        )
    for note in profile.notes:
        print(f"warning: {note}", file=sys.stderr)
    print(f"written: {path}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``explorer calibrate``."""
    add = parser.add_argument
    add("--out", type=Path, metavar="FILE", help="where the profile is written; ends in .yaml")
    add("--seconds", type=float, default=SECONDS, metavar="S", help=f"of timing (default: {SECONDS:g})")
    add("--times", type=Path, metavar="FILE", help="times.json of another device, instead of timing this one")
    add("--folder", type=Path, metavar="DIR", help="write what another device needs to time itself")
    add("--host", action="store_true", help="time this machine anew as the profile `host`")


if __name__ == "__main__":
    sys.exit(run_command(main))
