"""What is written of a network: the bytes of the format, and nothing that stays in memory for good."""

import ctypes
import gc

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from explorer.runs.network_files import tensors_content

TYPES = (
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
)
SHAPES = st.lists(st.integers(0, 4), max_size=3)


@given(
    shapes=st.dictionaries(
        st.text("ab.0", min_size=1, max_size=4), st.tuples(SHAPES, st.sampled_from(TYPES)), max_size=5
    )
)
def test_tensors_are_written_as_the_library_writes_them(
    shapes: dict[str, tuple[list[int], torch.dtype]],
) -> None:
    torch.manual_seed(0)
    tensors = {name: (3 * torch.randn(shape)).to(dtype) for name, (shape, dtype) in shapes.items()}
    assert tensors_content(tensors) == save(tensors)


def test_what_is_not_contiguous_is_written_in_order() -> None:
    turned = torch.arange(6.0).reshape(2, 3).T
    assert torch.equal(load(tensors_content({"turned": turned}))["turned"], turned)


@pytest.mark.parametrize("lengths", [range(50_001, 50_021)])
def test_no_type_is_left_of_each_length(lengths: range) -> None:
    def types() -> int:
        gc.collect()
        return sum(isinstance(item, type(ctypes.c_ubyte * 1)) for item in gc.get_objects())

    before = types()
    for length in lengths:
        tensors_content({"weight": torch.zeros(length)})
    assert types() == before
