"""What a user's function gives as arrays: taken as it is, or refused in one sentence."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from explorer.data.conversion import as_array
from explorer.data.dataset import load_data
from explorer.data.sources import given_arrays
from explorer.errors import UserError

X = np.arange(6.0).reshape(3, 2)


@pytest.mark.parametrize(
    "value",
    [
        X,
        X.tolist(),
        torch.tensor(X),
        pd.DataFrame(X),
        np.ma.masked_array(X),
        np.ma.masked_array(X, mask=X > 9),
        torch.complex(torch.tensor(0 * X), torch.tensor(-X)).conj().imag,
    ],
    ids=["array", "list", "tensor", "table", "no mask", "nothing masked", "negated lazily"],
)
def test_values_are_kept(value: Any) -> None:
    found = as_array(value, "x")
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, X)


REFUSED = [
    (torch.tensor(X, requires_grad=True), r"got a tensor that requires gradients; call .detach\(\)"),
    (torch.tensor(X).bfloat16(), r"numpy knows, got a tensor of torch.bfloat16; call .float\(\)"),
    (torch.tensor(X).to_sparse(), r"of the layout torch.sparse_coo; call .to_dense\(\)"),
    (torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), r"nested; call .to_padded_tensor\(0.0\)"),
    (torch.empty(3, device="meta"), r"got a tensor on meta; call .cpu\(\)"),
    ([[1.0, 2.0], [3.0]], "samples of one shape, got a list whose samples differ in length"),
    (np.ma.masked_array(X, mask=X > 2), "a value everywhere, got an array with 3 of 6 values masked"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "words"), REFUSED)
def test_what_is_no_array_is_refused_in_one_sentence(value: Any, words: str) -> None:
    with pytest.raises(UserError, match=f"^mine: x_train must .*{words}") as told:
        as_array(value, "mine: x_train")
    assert "\n" not in str(told.value)


class Stubborn:
    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise KeyError("no values")


def test_an_object_that_fails_to_be_an_array() -> None:
    with pytest.raises(UserError, match=r"^x must be an array, got Stubborn \(KeyError: 'no values'\)$"):
        as_array(Stubborn(), "x")


@pytest.mark.parametrize(("value", "words"), REFUSED)
def test_arrays_given_in_python_are_refused_alike(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"^x_test must .*{words}"):
        given_arrays((X, [0, 1, 1], value, [0, 1, 1]))


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("torch.ones(4, 2, requires_grad=True)", "'own_data:load': x_train must .* requires gradients"),
        (
            "(row for row in np.ones((4, 2)))",
            "own_data:load: x_train must hold numbers, got objects such as gen",
        ),
        ("np.array([['a', 'b']] * 4)", "own_data:load: x_train must hold numbers, got text such as 'a'"),
    ],
)
def test_a_function_that_returns_no_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expression: str, words: str
) -> None:
    (tmp_path / "own_data.py").write_text(
        f"import numpy as np, torch\nY = [0, 1, 0, 1]\n"
        f"def load():\n    return {expression}, Y, np.ones((4, 2)), Y\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "own_data", raising=False)
    with pytest.raises(UserError, match=words):
        load_data("own_data:load", train_samples=None, validation_samples=1, test_samples=None, seed=0)
