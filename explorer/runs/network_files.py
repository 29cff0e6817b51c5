"""The files in a network's folder: evidence, calibration and points as arrays, and back. No pickle."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays

from explorer.core.evidence import Answers, Evidence
from explorer.core.payload import Codec, PayloadForm, is_calibrated
from explorer.core.quality import ACCURACY, Quality
from explorer.costs.split_costs import SplitCosts
from explorer.errors import UserError

T = TypeVar("T")


def load(read: Callable[[Path], T], path: Path) -> T:
    """Read a safetensors file.

    Raises:
        UserError: Missing or unreadable.

    Example:
        >>> save_arrays({"labels": np.array([3, 1])}, "labels.safetensors")
        >>> load(load_arrays, Path("labels.safetensors"))
        {'labels': array([3, 1])}
    """
    try:
        return read(path)
    except (FileNotFoundError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


_ANSWERS = ("exit_answer", "server_answer", "output_answer")  # runs of old have none


def write_evidence(path: Path, evidence: Evidence) -> None:
    """Write per-sample validation outcomes.

    Example:
        >>> right, sure = np.array([[True, False]]), np.array([[0.9, 0.6]], dtype=np.float32)
        >>> sizes, labels = np.array([[[74]]], dtype=np.int32), np.array([3, 7])
        >>> own = Evidence(("input",), (8,), sure, right, right[None], right[0], sizes, labels)
        >>> write_evidence(Path("evidence.safetensors"), own)
        >>> load_arrays("evidence.safetensors")["exit_correct"].tolist()
        [[1, 0]]
    """
    arrays = {
        "payload_bits": np.array(evidence.payload_bits, dtype=np.int64),
        "exit_confidence": evidence.exit_confidence_SN,
        "exit_correct": evidence.exit_correct_SN.astype(np.uint8),
        "server_correct": evidence.server_correct_SBN.astype(np.uint8),
        "output_correct": evidence.output_correct_N.astype(np.uint8),
        "encoded_bytes": evidence.encoded_bytes_SBN,
        "labels": evidence.label_N,
    }
    if (answers := evidence.answers) is not None:
        arrays |= dict(zip(_ANSWERS, (answers.exit_SN, answers.server_SBN, answers.output_N), strict=True))
    save_arrays({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def read_evidence(path: Path, splits: Sequence[SplitCosts], quality: Quality = ACCURACY) -> Evidence:
    """Inverse of :func:`write_evidence`; ``splits`` are the network's, ``output`` included.

    ``quality`` is what the network's recipe says; the file does not repeat it.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="read", workers=1, energy=False, progress=False)
        >>> key, stored = next(iter(run.results.networks.items()))
        >>> path = run.path / "networks" / key / "evidence.safetensors"
        >>> read_evidence(path, stored.splits).num_samples
        400
    """
    arrays = load(load_arrays, path)
    payload_bits = tuple(arrays["payload_bits"].tolist())
    return Evidence(
        tuple(split.name for split in splits[:-1]),
        payload_bits,
        arrays["exit_confidence"],
        arrays["exit_correct"].astype(np.bool_),
        arrays["server_correct"].astype(np.bool_),
        arrays["output_correct"].astype(np.bool_),
        arrays["encoded_bytes"],
        arrays["labels"],
        quality,
        Answers(*(arrays[name] for name in _ANSWERS)) if _ANSWERS[0] in arrays else None,
    )


def write_codecs(path: Path, codecs: Mapping[tuple[str, int], Codec], split_points: Sequence[str]) -> None:
    """Write fitted ranges, named ``<number of the split point>.<bits>.<low or step>``.

    Example:
        >>> codec = Codec(8, "tensor", "none", low=np.zeros(1, np.float32), step=np.ones(1, np.float32))
        >>> write_codecs(Path("codecs.safetensors"), {("conv1", 8): codec}, ["input", "conv1"])
        >>> sorted(load_arrays("codecs.safetensors"))
        ['1.8.low', '1.8.step']
    """
    arrays = {
        f"{split_points.index(name)}.{bits}.{end}": np.ascontiguousarray(array)
        for (name, bits), codec in codecs.items()
        for end, array in (("low", codec.low), ("step", codec.step))
        if array is not None
    }
    save_arrays(arrays, path)


def read_codecs(path: Path, form: PayloadForm, split_points: Sequence[str]) -> dict[tuple[str, int], Codec]:
    """Inverse of :func:`write_codecs`; there is no file where each sample has its own range.

    Example:
        >>> codec = Codec(8, "tensor", "none", low=np.zeros(1, np.float32), step=np.ones(1, np.float32))
        >>> write_codecs(Path("ranges.safetensors"), {("input", 8): codec}, ["input"])
        >>> read_codecs(Path("ranges.safetensors"), PayloadForm((8,), "tensor"), ["input"])["input", 8].step
        array([1.], dtype=float32)
    """
    arrays: dict[str, Any] = {} if form.ranges == "sample" else load(load_arrays, path)
    codecs = {}
    for number, name in enumerate(split_points):
        for bits in form.bits:
            names = [f"{number}.{bits}.{end}" for end in ("low", "step")]
            range_ = [arrays[end] for end in names] if is_calibrated(bits, form.ranges) else []
            codecs[name, bits] = Codec(bits, form.ranges, form.entropy, *range_)
    return codecs


def read_points(path: Path) -> pd.DataFrame:
    """Read swept points.

    Raises:
        UserError: Missing or unreadable.

    Example:
        >>> pd.DataFrame({"split_point": ["input", "output"]}).to_parquet("points.parquet")
        >>> read_points(Path("points.parquet"))["split_point"].tolist()
        ['input', 'output']
    """
    try:
        table: pd.DataFrame = ParquetFile(path).read(use_threads=False).to_pandas()
        return table
    except (FileNotFoundError, ValueError, OSError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
