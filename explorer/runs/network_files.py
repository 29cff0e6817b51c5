"""The files in a network's folder: evidence, calibration and points as bytes, and back. No pickle."""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from safetensors.torch import save as save_tensors
from torch import Tensor

from explorer.core.code_bytes import CodeBytes
from explorer.core.evidence import Answers, Evidence
from explorer.core.payload import Codec, PayloadForm, is_calibrated
from explorer.core.quality import ACCURACY, Quality
from explorer.costs.split_costs import SplitCosts
from explorer.errors import UserError

T = TypeVar("T")
_IN_NUMPY = {
    *(torch.float64, torch.float32, torch.float16, torch.int64, torch.int32, torch.int16, torch.int8),
    *(torch.uint8, torch.bool),
}


def load(parse: Callable[[bytes], T], content: bytes, path: Path) -> T:
    """What the content of a safetensors file says.

    Raises:
        UserError: It is none.

    Example:
        >>> load(load_arrays, save_arrays({"labels": np.array([3, 1])}), Path("labels.safetensors"))
        {'labels': array([3, 1])}
    """
    try:
        return parse(content)
    except SafetensorError as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


def tensors_content(tensors: Mapping[str, Tensor]) -> bytes:
    """Tensors on the CPU as a safetensors file, byte for byte as ``safetensors.torch.save`` writes it.

    That function makes a ctypes type of every length in bytes that it meets, and none of them is ever freed:
    10 KB for each network of a new shape, of which a long search has thousands. So it is asked only where
    numpy has no such type.

    Example:
        >>> from safetensors.torch import load as load_tensors
        >>> load_tensors(tensors_content({"bias": torch.tensor([0.5, 1.0])}))
        {'bias': tensor([0.5000, 1.0000])}
    """
    if any(tensor.dtype not in _IN_NUMPY for tensor in tensors.values()):
        return bytes(save_tensors(dict(tensors)))
    return bytes(save_arrays({name: tensor.contiguous().numpy() for name, tensor in tensors.items()}))


_CODE, _OUTPUT_CODE = "code_bytes", "output_code_bytes"  # where C counts; so do the following
_WEIGHT_BITS, _PLACES = "edge_weight_bits", "split_points"
_ANSWERS = ("exit_answer", "server_answer", "output_answer")  # runs of old have none


def evidence_content(evidence: Evidence, split_points: Sequence[str] = ()) -> bytes:
    """Per-sample validation outcomes as a safetensors file.

    Args:
        evidence: Of edge parts in float32 or int8.
        split_points: Names of all that the network has, where the evidence says what C takes.

    Example:
        >>> right, sure = np.array([[True, False]]), np.array([[0.9, 0.6]], dtype=np.float32)
        >>> sizes, labels = np.array([[[74]]], dtype=np.int32), np.array([3, 7])
        >>> own = Evidence(("input",), (8,), sure, right, right[None], right[0], sizes, labels)
        >>> load_arrays(evidence_content(own))["exit_correct"].tolist()
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
    if (code := evidence.code) is not None:
        arrays |= {_CODE: code.split_SEBK, _OUTPUT_CODE: code.output_K}
        arrays |= {_WEIGHT_BITS: np.array([code.edge_weight_bits], np.int64)}
        arrays[_PLACES] = np.array([split_points.index(name) for name in evidence.split_points], np.int64)
    if (answers := evidence.answers) is not None:
        arrays |= dict(zip(_ANSWERS, (answers.exit_SN, answers.server_SBN, answers.output_N), strict=True))
    return bytes(save_arrays({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def parse_evidence(
    content: bytes, path: Path, splits: Sequence[SplitCosts], quality: Quality = ACCURACY
) -> Evidence:
    """Inverse of :func:`evidence_content`; ``splits`` are the network's, ``output`` included.

    ``quality`` is what the network's recipe says; the file does not repeat it.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="read", workers=1, energy=False, progress=False)
        >>> key, stored = next(iter(run.results.networks.items()))
        >>> path = run.path / "networks" / key / "evidence.safetensors"
        >>> parse_evidence(path.read_bytes(), path, stored.splits).num_samples
        400
    """
    arrays = load(load_arrays, content, path)
    payload_bits = tuple(arrays["payload_bits"].tolist())
    names, code = [split.name for split in splits[:-1]], None
    if _CODE in arrays:
        code = CodeBytes(arrays[_CODE], arrays[_OUTPUT_CODE], int(arrays[_WEIGHT_BITS][0]))
        names = [names[place] for place in arrays[_PLACES].tolist()]
    return Evidence(
        tuple(names),
        payload_bits,
        arrays["exit_confidence"],
        arrays["exit_correct"].astype(np.bool_),
        arrays["server_correct"].astype(np.bool_),
        arrays["output_correct"].astype(np.bool_),
        arrays["encoded_bytes"],
        arrays["labels"],
        quality,
        Answers(*(arrays[name] for name in _ANSWERS)) if _ANSWERS[0] in arrays else None,
        code,
    )


def codecs_content(codecs: Mapping[tuple[str, int], Codec], split_points: Sequence[str]) -> bytes:
    """Fitted ranges as a safetensors file, named ``<number of the split point>.<bits>.<low or step>``.

    Example:
        >>> codec = Codec(8, "tensor", "none", low=np.zeros(1, np.float32), step=np.ones(1, np.float32))
        >>> sorted(load_arrays(codecs_content({("conv1", 8): codec}, ["input", "conv1"])))
        ['1.8.low', '1.8.step']
    """
    arrays = {
        f"{split_points.index(name)}.{bits}.{end}": np.ascontiguousarray(array)
        for (name, bits), codec in codecs.items()
        for end, array in (("low", codec.low), ("step", codec.step))
        if array is not None
    }
    return bytes(save_arrays(arrays))


def parse_codecs(
    content: bytes | None, path: Path, form: PayloadForm, split_points: Sequence[str]
) -> dict[tuple[str, int], Codec]:
    """Inverse of :func:`codecs_content`; None where each sample has its own range, and there is no file.

    Example:
        >>> codec = Codec(8, "tensor", "none", low=np.zeros(1, np.float32), step=np.ones(1, np.float32))
        >>> content, form = codecs_content({("input", 8): codec}, ["input"]), PayloadForm((8,), "tensor")
        >>> parse_codecs(content, Path("calibration.safetensors"), form, ["input"])["input", 8].step
        array([1.], dtype=float32)
    """
    arrays: dict[str, Any] = {} if content is None else load(load_arrays, content, path)
    codecs = {}
    for number, name in enumerate(split_points):
        for bits in form.bits:
            names = [f"{number}.{bits}.{end}" for end in ("low", "step")]
            range_ = [arrays[end] for end in names] if is_calibrated(bits, form.ranges) else []
            codecs[name, bits] = Codec(bits, form.ranges, form.entropy, *range_)
    return codecs


def points_content(points: pd.DataFrame) -> bytes:
    """Swept points as a Parquet file.

    Example:
        >>> points_content(pd.DataFrame({"split_point": ["input", "output"]}))[:4]
        b'PAR1'
    """
    content: bytes = points.to_parquet(index=False)
    return content


def parse_points(content: bytes, path: Path, num_samples: int) -> pd.DataFrame:
    """Inverse of :func:`points_content`; ``num_samples`` are those of the validation subset.

    Raises:
        UserError: It is no Parquet file, or more samples were counted than there are.

    Example:
        >>> content = points_content(pd.DataFrame({"correct": [40.0], "exited": [41]}))
        >>> parse_points(content, Path("points.parquet"), 41)["exited"].tolist()
        [41]
        >>> parse_points(content, Path("points.parquet"), 40)
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: points.parquet: exited must be from 0 to 40, got 41
    """
    try:
        points: pd.DataFrame = ParquetFile(BytesIO(content)).read(use_threads=False).to_pandas()
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    for column in ("correct", "exited"):
        counted = points[column] if column in points else pd.Series(dtype=float)
        if (wrong := counted[~counted.between(0, num_samples)]).size:
            raise UserError(f"{path}: {column} must be from 0 to {num_samples}, got {wrong.iloc[0]}")
    return points
