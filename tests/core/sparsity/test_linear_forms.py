"""The forms agree, the fastest is chosen by measurement, once, and the choice is remembered."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from explorer.core.sparsity import linear_forms as execution
from explorer.core.sparsity.layers import IndexedLinear, sparse_layer
from explorer.core.sparsity.linear_forms import LinearForms, fastest

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cache" / "forms.json"
    monkeypatch.setattr(execution, "cache_file", lambda: path)
    return path


def scattered(density: Fraction = Fraction(1, 4), bias: bool = True) -> IndexedLinear:
    torch.manual_seed(0)
    layer = sparse_layer(nn.Linear(16, 8, bias=bias), "structured", density, seed=3).eval()
    assert isinstance(layer, IndexedLinear)
    return layer


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 5])
def test_forms_agree(bias: bool, rows: int) -> None:
    forms = scattered(bias=bias).forms()
    x = torch.randn(rows, 16)
    torch.testing.assert_close(forms.csr(x), forms.dense(x))


def test_inference_equals_training_form() -> None:
    layer, x = scattered(), torch.randn(2, 3, 16)
    expected = layer(x)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), expected)


def test_forms_follow_the_values() -> None:
    layer, x = scattered(), torch.randn(4, 16)
    with torch.inference_mode():
        before = layer(x)
    with torch.no_grad():
        layer.values_K.mul_(2.0)
        assert layer.bias is not None
        layer.bias.mul_(2.0)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), 2 * before)


def test_choice_is_measured_once_and_remembered(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[list[str]] = []

    def measure(x: Tensor, forms: dict[str, object]) -> str:
        measured.append(list(forms))
        return "b"

    monkeypatch.setattr(execution, "_measure", measure)
    forms = {"a": torch.neg, "b": torch.abs}
    assert [fastest("8x8", torch.ones(rows, 8), forms) for rows in (3, 4, 4)] == ["b", "b", "b"]
    assert measured == [["a", "b"]]  # 3 and 4 rows share the choice of 4
    assert fastest("8x8", torch.ones(5, 8), forms) == "b"
    assert len(measured) == 2
    execution._remembered.cache_clear()  # another process
    assert fastest("8x8", torch.ones(4, 8), forms) == "b"
    assert len(measured) == 2
    assert list(json.loads(own_cache.read_text(encoding="utf-8")).values()) == ["b", "b"]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"key": 3}'])
def test_damaged_memory_is_measured_again(content: str, own_cache: Path) -> None:
    own_cache.parent.mkdir()
    own_cache.write_text(content, encoding="utf-8")
    execution._remembered.cache_clear()
    assert fastest("8x8", torch.ones(1, 8), {"a": torch.neg, "b": torch.abs}) in ("a", "b")


def test_slow_form_is_not_chosen() -> None:
    def slow(x: Tensor) -> Tensor:
        for _ in range(2000):
            x = x + 1
        return x

    assert fastest("8x8", torch.ones(1, 8), {"slow": slow, "fast": torch.neg}) == "fast"


def test_forms_hold_no_copy_of_the_bias() -> None:
    layer = scattered()
    assert isinstance(layer.forms(), LinearForms)
    assert layer.forms().bias is layer.bias
