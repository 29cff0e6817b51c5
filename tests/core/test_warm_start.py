"""Starts from a trained dense network: mask * weight * density^-1/2 for every pattern, the rest kept."""

import zlib
from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn
from zoo import CLASSES, ZOO, Kind

from explorer.core.bottleneck import Bottleneck, with_bottleneck
from explorer.core.network import Network
from explorer.core.sparsity.layers import InitialWeights, SparseLayer
from explorer.core.sparsity.patterns import PatternName, adjacency, pattern_names
from explorer.core.sparsity.periodic import kept_taps
from explorer.core.sparsity.sparsify import find_junctions, sparsify
from explorer.core.warm_start import start_from_dense, warm_weights

SEED, INPUT = 3, (4, 8, 8)
DENSITIES = {"0": Fraction(3, 4), "3": Fraction(3, 8), "7": Fraction(1, 4)}  # two convolutions, a Linear
KERNELS = {"0": Fraction(4, 9), "3": Fraction(1, 3)}


def backbone() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 3)),
    )


def make_network(
    pattern: PatternName, densities: dict[str, Fraction], narrow: bool = False, seed: int = 0
) -> Network:
    torch.manual_seed(seed)
    module, sample = backbone(), torch.zeros(1, *INPUT)
    sparsify(module, densities, pattern, SEED, InitialWeights("dense", "all"))
    module = with_bottleneck(module, sample, Bottleneck("2", 2) if narrow else None)
    return Network(module, sample, num_classes=3, exit_features=8)


def trained_dense(narrow: bool = False) -> Network:
    """One whose every parameter and statistic differs from what it was built with."""
    network = make_network("block", {}, narrow, seed=1)
    with torch.no_grad():
        for tensor in [*network.parameters(), *network.buffers()]:
            tensor.add_(torch.rand(tensor.shape) if tensor.is_floating_point() else 1)
    return network


def mask(pattern: PatternName, path: str, density: Fraction, dense: Tensor, first: bool) -> Tensor:
    """Where the pattern keeps weights, by its rule and not by the layer."""
    seed = zlib.crc32(f"{SEED}/{path}".encode())
    outputs, inputs, *kernel = dense.shape
    if pattern == "periodic":
        taps = kernel[0] * kernel[1]
        kept = torch.from_numpy(kept_taps(inputs, outputs, taps, density, seed)).flatten()
        return torch.zeros(dense.numel()).index_fill(0, kept, 1.0).view(dense.shape)
    reads = torch.from_numpy(adjacency(pattern, inputs, outputs, density, seed, interleaved=not first))
    return reads.float().reshape(outputs, inputs, *[1 for _ in kernel]).expand(dense.shape)


@torch.no_grad()
def materialised(layer: nn.Module, dense: Tensor) -> Tensor:
    """The dense weight that a layer acts as: its answers to one input at a time, bias taken off."""
    _, inputs, *kernel = dense.shape
    units = torch.eye(inputs)
    if not kernel:
        return (layer(units) - layer(torch.zeros(1, inputs))).T
    at_centre = torch.zeros(inputs, inputs, 5, 5)
    at_centre[:, :, 2, 2] = units
    answers = layer(at_centre) - layer(torch.zeros(1, inputs, 5, 5))  # (inputs, outputs, 3, 3)
    return answers.flip(2, 3).transpose(0, 1)


@pytest.mark.parametrize("pattern", pattern_names())
def test_kept_weights_are_the_dense_ones_by_formula(pattern: PatternName) -> None:
    densities = KERNELS if pattern == "periodic" else DENSITIES
    sparse, dense = make_network(pattern, densities).eval(), trained_dense()
    start_from_dense(sparse, dense.weights())
    for path, density in densities.items():
        weight = dense.backbone.get_submodule(path).weight.detach()
        wanted = mask(pattern, path, density, weight, first=path == "0") * weight * float(density) ** -0.5
        layer = sparse.backbone.get_submodule(path)
        torch.testing.assert_close(materialised(layer, weight), wanted, rtol=1e-5, atol=1e-5)
        assert torch.count_nonzero(wanted) == layer.num_weights == density * weight.numel()


@pytest.mark.parametrize("narrow", [False, True])
def test_all_else_is_as_it_was_trained(narrow: bool) -> None:
    sparse, dense = make_network("structured", DENSITIES, narrow), trained_dense(narrow)
    start_from_dense(sparse, dense.weights())
    trained, own = dense.weights(), sparse.weights()
    kept = {f"backbone.{path}.values_K" for path in DENSITIES}
    assert kept < set(own)
    assert any(name.endswith("running_var") for name in own)
    assert any(name.startswith("exits.") for name in own)
    assert any("bottleneck" in name for name in own) == narrow
    for name in set(own) - kept:
        assert torch.equal(own[name], trained[name]), name


def test_two_layers_of_one_weight_start_from_it() -> None:
    def tied(density: Fraction | None, seed: int) -> Network:
        torch.manual_seed(seed)
        module = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.Linear(8, 3))
        module[2].weight = module[0].weight
        sparsify(module, {} if density is None else {"0": density}, "structured", 0)
        return Network(module, torch.zeros(1, 8), num_classes=3, exit_features=8)

    sparse, dense = tied(Fraction(1, 4), 0), tied(None, 1)
    start_from_dense(sparse, dense.weights())
    first, second = (sparse.backbone.get_submodule(path) for path in ("0", "2"))
    assert first.values_K is second.values_K
    assert torch.equal(first.values_K, first.kept_of(dense.backbone.get_submodule("0").weight) * 2)
    assert torch.equal(second.bias, dense.backbone.get_submodule("2").bias)


def test_weights_of_another_network_are_refused() -> None:
    sparse, weights = make_network("block", DENSITIES), trained_dense().weights()
    with pytest.raises(ValueError, match=r"no 'backbone\.3\.weight' to start from"):
        warm_weights(sparse, {name: w for name, w in weights.items() if name != "backbone.3.weight"})
    with pytest.raises(ValueError, match=r"'backbone\.7\.weight' has another shape"):
        warm_weights(sparse, weights | {"backbone.7.weight": torch.zeros(16, 32)})
    with pytest.raises(ValueError, match=r"'backbone\.9\.scale', which the sparse one lacks"):
        warm_weights(sparse, weights | {"backbone.9.scale": torch.zeros(3)})


def test_the_dense_weights_stay_as_they_are() -> None:
    sparse, weights = make_network("block", DENSITIES), trained_dense().weights()
    before = {name: tensor.clone() for name, tensor in weights.items()}
    start_from_dense(sparse, weights)
    for parameter in sparse.parameters():
        parameter.data.zero_()
    assert all(torch.equal(weights[name], before[name]) for name in before)


@pytest.mark.parametrize("kind", ZOO, ids=lambda kind: kind.name)
def test_any_module_finds_its_weights(kind: Kind) -> None:
    """Traced by torch.fx, exported or left whole in part: sparse and dense name their tensors alike."""

    def network(seed: int, sparse: bool) -> Network:
        torch.manual_seed(seed)
        module, sample = kind.net(), torch.zeros(1, *kind.input_shape)
        junctions = [] if not sparse else find_junctions(module, "structured", directly)
        densities = {j.path: j.legal[0] for j in junctions if not j.stays_dense}
        sparsify(module, densities, "structured", SEED, InitialWeights("dense", "all"))
        return Network(module, sample, CLASSES, exit_features=8)

    directly: set[str] = set()
    dense = network(1, sparse=False)
    directly |= dense.read_directly
    sparse, layers = network(0, sparse=True), dict(dense.backbone.named_modules())
    start_from_dense(sparse, dense.weights())
    for path, layer in sparse.backbone.named_modules():
        if isinstance(layer, SparseLayer):
            kept = layer.kept_of(layers[path].weight) * float(layer.density) ** -0.5
            assert torch.equal(getattr(layer, layer.kept), kept)
