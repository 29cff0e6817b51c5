"""Memory of a search and of each of its workers, against the size of the data, on Linux.

Twice the same search: on 50,000 + 10,000 images of 32 x 32 x 3 bytes, as many as CIFAR-10 has, and on a few
of them. What the first needs more at its peak, mapped files included, is held against the bytes of the
images.
Then images in ``.npy`` files, three times as large as all the memory that the search may take, which the
system enforces (``RLIMIT_DATA``): the memory that such a search takes on a few images, and 128 MiB more.

``--check`` exits 1 if a process needs more than 1.3 times the bytes, or a search fails.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import psutil
import yaml

from explorer.space.files import load_space

LIMIT = 1.3
IMAGE = (32, 32, 3)
TRAIN, TEST, FEW = 50_000, 10_000, 600
SPARE_BYTES, TIMES = 128 * 2**20, 3
CHECK_SECONDS = 0.02
_TILE = 4096  # images that are drawn; others repeat them


@dataclass
class Peaks:
    """The largest values seen of a search and of its workers, in bytes.

    Attributes:
        search, workers: Resident memory, mapped files included; of the largest worker.
        data: Writable memory of the search's own, which ``RLIMIT_DATA`` limits.
        seconds: Wall-clock time of the search.
        exit_code: Of its process.
    """

    search: int = 0
    workers: int = 0
    data: int = 0
    seconds: float = 0.0
    exit_code: int = 0
    said: str = field(default="", repr=False)


def write_space(path: Path, source: str, validation: int, batch_size: int) -> None:
    """A small MLP, one epoch, on a source."""
    content = yaml.safe_load(load_space("digits")[1])
    backbone = content["backbones"]["mlp"]
    backbone["arguments"] = {"hidden": [[32], [48]]}
    content["backbones"] = {"mlp": backbone}
    content["data"] = {"source": source, "validation_samples": validation}
    content["training"] |= {"epochs": 1, "batch_size": batch_size}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random images, a little brighter for the higher of ten classes."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    pixels = random.integers(0, 200, (count, *IMAGE), dtype=np.uint8)
    pixels += (5 * labels).astype(np.uint8)[:, None, None, None]
    return pixels, labels


def write_npz(path: Path, train: int, test: int) -> int:
    """A data set in memory's size; returns the bytes of its images."""
    (x_train, y_train), (x_test, y_test) = images(train, 0), images(test, 1)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return int(x_train.nbytes + x_test.nbytes)


def write_npy(folder: Path, size: int) -> int:
    """A data set of about so many bytes in files, written piece by piece; returns the number of images."""
    folder.mkdir()
    tile, labels = images(_TILE, 2)
    tiles = max(1, round(size / tile.nbytes))
    mapped = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
        folder / "x_train.npy", mode="w+", dtype=np.uint8, shape=(tiles * _TILE, *IMAGE)
    )
    for number in range(tiles):
        mapped[number * _TILE : (number + 1) * _TILE] = tile
    mapped.flush()
    np.save(folder / "y_train.npy", np.tile(labels, tiles))
    x_test, y_test = images(FEW, 3)
    np.save(folder / "x_test.npy", x_test)
    np.save(folder / "y_test.npy", y_test)
    return tiles * _TILE


def search(space: Path, workers: int, trials: int, data_limit: int | None = None) -> Peaks:
    """Run a search as a user would, and watch its processes."""

    def limit() -> None:
        if data_limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (data_limit, data_limit))

    command = [sys.executable, "-m", "explorer.search", "--space", str(space), "--device", "cpu"]
    command += ["--reports", str(space.parent / "reports"), "--run", space.stem, "--no-energy"]
    command += ["--workers", str(workers), "--trials", str(trials)]
    start, peaks = time.perf_counter(), Peaks()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, preexec_fn=limit)
        while process.poll() is None:
            _note(peaks, psutil.Process(process.pid))
            time.sleep(CHECK_SECONDS)
        output.seek(0)
        peaks.said = output.read()[-2000:]
    peaks.seconds, peaks.exit_code = time.perf_counter() - start, process.returncode
    return peaks


def _note(peaks: Peaks, process: psutil.Process) -> None:
    try:
        own = _status(process.pid)
        peaks.search = max(peaks.search, own.get("VmHWM", 0))
        peaks.data = max(peaks.data, own.get("VmData", 0))
        for other in process.children(recursive=True):
            if "explorer.engine.pool.child" in other.cmdline():
                peaks.workers = max(peaks.workers, _status(other.pid).get("VmHWM", 0))
    except (psutil.Error, OSError):
        return  # a process that just ended


def _status(pid: int) -> dict[str, int]:
    """Sizes that Linux keeps of a process, in bytes; ``VmHWM`` is the most it ever had resident."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    sizes = [line.split() for line in lines if line.endswith(" kB")]
    return {name.rstrip(":"): 1024 * int(size) for name, size, _ in sizes}


def shared(folder: Path, train: int, test: int) -> dict[str, object]:
    """The first comparison: how much more the search and a worker need for all images than for a few."""
    size = write_npz(folder / "all.npz", train, test)
    write_npz(folder / "few.npz", FEW, FEW)
    found = dict[str, Peaks]()
    for name, validation in (("few", FEW // 10), ("all", train // 10)):
        space = folder / f"{name}.yaml"
        write_space(space, f"npz:{folder / name}.npz", validation, batch_size=250)
        found[name] = search(space, workers=2, trials=4)
    ratios = {
        who: (getattr(found["all"], who) - getattr(found["few"], who)) / size for who in ("search", "workers")
    }
    return {"bytes": size, "ratios": ratios, "peaks": {name: asdict(own) for name, own in found.items()}}


def beyond_memory(folder: Path, share: float) -> dict[str, object]:
    """The second: images of three times the memory that is allowed."""
    write_npy(folder / "few", FEW * int(np.prod(IMAGE)))
    write_space(folder / "little.yaml", f"npy:{folder / 'few'}", FEW // 10, batch_size=1000)
    allowed = search(folder / "little.yaml", workers=1, trials=2).data + SPARE_BYTES
    size = int(share * TIMES * allowed)
    count = write_npy(folder / "many", size)
    write_space(folder / "large.yaml", f"npy:{folder / 'many'}", 10_000, batch_size=1000)
    peaks = search(folder / "large.yaml", workers=1, trials=2, data_limit=allowed)
    return {"allowed": allowed, "bytes": size, "images": count, "peaks": asdict(peaks)}


def main() -> int:
    """Print the figures, write JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_size", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the images")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    share = 0.1 if arguments.quick else 1.0
    with tempfile.TemporaryDirectory(prefix="data-size-") as name:
        folder = Path(name)
        first = shared(folder, int(share * TRAIN), int(share * TEST))
        second = beyond_memory(folder, share)
    ratios, peaks = first["ratios"], [*first["peaks"].values(), second["peaks"]]  # type: ignore[attr-defined]
    print(f"images in memory: {first['bytes'] / 1e6:.0f} MB; at most {LIMIT} times that is allowed")  # type: ignore[operator]
    for who, ratio in ratios.items():  # type: ignore[attr-defined]
        print(f"  {who:>8}: {ratio:5.2f} times more than with a few images")
    print(
        f"images in files: {second['bytes'] / 1e6:.0f} MB, memory allowed: {second['allowed'] / 1e6:.0f} MB"
    )  # type: ignore[operator]
    print(f"  exit code {second['peaks']['exit_code']}, {second['peaks']['seconds']:.0f} s")  # type: ignore[index]
    failed = [own for own in peaks if own["exit_code"]]
    for own in failed:
        print(own["said"], file=sys.stderr)
    if arguments.out:
        arguments.out.write_text(
            json.dumps({"shared": first, "beyond": second}, indent=2) + "\n", encoding="utf-8"
        )
    over = not arguments.quick and max(ratios.values()) > LIMIT  # type: ignore[attr-defined]
    return int(arguments.check and (bool(failed) or over))


if __name__ == "__main__":
    sys.exit(main())
