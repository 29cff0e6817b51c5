"""The files in a network's folder: evidence, calibration and points as arrays, and back. No pickle."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file as save_tensors
from torch import Tensor

from explorer.core.evidence import Evidence
from explorer.core.payload import Codec, PayloadForm, is_calibrated
from explorer.costs.split_costs import SplitCosts
from explorer.errors import UserError

T = TypeVar("T")


def load(read: Callable[[Path], T], path: Path) -> T:
    """Read a safetensors file.

    Raises:
        UserError: Missing or unreadable.
    """
    try:
        return read(path)
    except (FileNotFoundError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


def write_evidence(path: Path, evidence: Evidence) -> None:
    """Write per-sample validation outcomes."""
    arrays = {
        "payload_bits": np.array(evidence.payload_bits, dtype=np.int64),
        "exit_confidence": evidence.exit_confidence_SN,
        "exit_correct": evidence.exit_correct_SN.astype(np.uint8),
        "server_correct": evidence.server_correct_SBN.astype(np.uint8),
        "output_correct": evidence.output_correct_N.astype(np.uint8),
        "encoded_bytes": evidence.encoded_bytes_SBN,
        "labels": evidence.label_N,
    }
    save_arrays({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def read_evidence(path: Path, splits: Sequence[SplitCosts]) -> Evidence:
    """Inverse of :func:`write_evidence`; ``splits`` are the network's, ``output`` included."""
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
    )


def write_codecs(path: Path, codecs: Mapping[tuple[str, int], Codec], split_points: Sequence[str]) -> None:
    """Write fitted ranges, named ``<number of the split point>.<bits>.<low or step>``."""
    tensors = {
        f"{split_points.index(name)}.{bits}.{end}": tensor
        for (name, bits), codec in codecs.items()
        for end, tensor in (("low", codec.low), ("step", codec.step))
        if tensor is not None
    }
    save_tensors(tensors, path)


def read_codecs(path: Path, form: PayloadForm, split_points: Sequence[str]) -> dict[tuple[str, int], Codec]:
    """Inverse of :func:`write_codecs`; there is no file where each sample has its own range."""
    tensors: dict[str, Tensor] = {} if form.ranges == "sample" else load(load_tensors, path)
    codecs = {}
    for number, name in enumerate(split_points):
        for bits in form.bits:
            names = [f"{number}.{bits}.{end}" for end in ("low", "step")]
            range_ = [tensors[end] for end in names] if is_calibrated(bits, form.ranges) else []
            codecs[name, bits] = Codec(bits, form.ranges, form.entropy, *range_)
    return codecs


def read_points(path: Path) -> pd.DataFrame:
    """Read swept points.

    Raises:
        UserError: Missing or unreadable.
    """
    try:
        return pd.read_parquet(path)
    except (FileNotFoundError, ValueError, OSError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
