"""Bundles of every kind of network, cut and payload do what the network does; damage is found."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from deployable import rows_of, source_of
from onnx import numpy_helper

from explorer import backbones
from explorer.core.bottleneck import Bottleneck
from explorer.core.calibration import InferenceConfig
from explorer.core.payload import PAYLOAD_BITS, PayloadForm
from explorer.core.run_point import RunPoint
from explorer.core.sparsity.patterns import KERNEL_PATTERN_NAMES, PATTERN_NAMES
from explorer.deploy.bundle import Built, Source, build_bundle
from explorer.deploy.equivalence import TOLERANCE, NotEquivalentError
from explorer.errors import UserError
from explorer.runtime.errors import BundleError
from explorer.runtime.manifest import load_bundle
from explorer.runtime.stages import EdgeParts, ServerParts, self_check

EIGHT = InferenceConfig(PayloadForm((8,)))
ZOO: dict[str, tuple[Callable[..., Any], dict[str, Any], tuple[int, ...]]] = {
    "mlp": (backbones.mlp, {"hidden": [12, 8]}, (16,)),
    "cnn": (backbones.cnn, {"channels": [8, 16], "hidden": 16}, (1, 8, 8)),
    "lenet5": (backbones.lenet5, {}, (1, 28, 28)),
    "resnet": (backbones.resnet, {"depth": 8, "width": 4}, (3, 16, 16)),
    "ds_cnn": (backbones.ds_cnn, {}, (1, 25, 10)),
    "cnn1d": (backbones.cnn1d, {"channels": [8, 16]}, (3, 32)),
    "transformer": (backbones.transformer, {}, (4, 16)),
    "vgg": (backbones.vgg, {"depth": 11, "width": 4}, (3, 32, 32)),
    "mobilenetv2": (backbones.mobilenetv2, {}, (3, 32, 32)),
}
MLP, CNN = ZOO["mlp"], ZOO["cnn"]


def build(source: Source, points: list[RunPoint], folder: Path) -> Built:
    return build_bundle(source, rows_of(points), folder / "bundle", samples=60)


def middle_of(source: Source) -> str:
    points = source.restore().split_points
    return points[len(points) // 2].name


@pytest.mark.parametrize(
    "name", [n if n in ("mlp", "cnn") else pytest.param(n, marks=pytest.mark.slow) for n in ZOO]
)
def test_every_backbone_at_every_kind_of_cut(name: str, tmp_path: Path) -> None:
    source = source_of(*ZOO[name], config=EIGHT)
    points = [
        RunPoint(middle_of(source), 0.3, 8),
        RunPoint("input", 0.3, 8),
        RunPoint("input", None, 8),
        RunPoint.at_output(),
    ]
    built = build(source, points, tmp_path)
    assert [own.samples for own in built.checked] == [60] * 4
    for own in built.checked:
        values = (own.crossing, own.exit_logits or 0.0, own.server_logits or 0.0)
        assert max(values) <= TOLERANCE
    bundle = load_bundle(built.folder, "edge")
    self_check(EdgeParts(bundle))
    self_check(ServerParts(load_bundle(built.folder, "server")))
    assert bundle.points[0].edge_stages == (0, 1)  # input, then up to the middle
    assert bundle.points[3].server_stages == ()


@pytest.mark.parametrize("pattern", [*PATTERN_NAMES, *KERNEL_PATTERN_NAMES])
def test_every_pattern(pattern: Any, tmp_path: Path) -> None:
    source = source_of(*CNN, config=EIGHT, pattern=pattern)
    built = build(source, [RunPoint(middle_of(source), 0.3, 8)], tmp_path)
    assert built.checked[0].crossing <= TOLERANCE
    operators = {
        node.op_type for path in built.file_bytes for node in onnx.load(built.folder / path).graph.node
    }
    assert "BatchNormalization" not in operators


@pytest.mark.parametrize(
    "of",
    [CNN, (backbones.mlp, {"hidden": [12]}, (1, 8, 8)), ZOO["cnn1d"]],
    ids=["cnn", "mlp over images", "cnn1d"],
)
def test_a_pooled_input(of: Any, tmp_path: Path) -> None:
    source = source_of(*of, config=EIGHT, pattern="block", input_pool=2, dtype="uint8")
    after = source.restore().split_points[2].name
    points = [RunPoint(name, 0.3, 8) for name in ("input", "input_pool", after)]
    built = build(source, [*points, RunPoint.at_output()], tmp_path)
    for own in built.checked:
        assert max(own.crossing, own.exit_logits or 0.0, own.server_logits or 0.0) <= TOLERANCE
    operators = [
        node.op_type for path in built.file_bytes for node in onnx.load(built.folder / path).graph.node
    ]
    assert "AveragePool" in operators
    self_check(EdgeParts(load_bundle(built.folder, "edge")))


@pytest.mark.parametrize(("ranges", "entropy"), [("sample", "none"), ("channel", "zstd"), ("tensor", "none")])
def test_every_payload(ranges: Any, entropy: Any, tmp_path: Path) -> None:
    config = InferenceConfig(PayloadForm(PAYLOAD_BITS, ranges, entropy), "entropy", "fitted")
    source = source_of(*MLP, config=config)
    built = build(source, [RunPoint("relu1", 0.1, bits) for bits in PAYLOAD_BITS], tmp_path)
    for bits, point in zip(PAYLOAD_BITS, load_bundle(built.folder, "edge").points, strict=True):
        codec, stored = point.codec, source.calibration.codecs["relu1", bits]
        assert codec is not None
        assert (codec.bits, codec.ranges, codec.entropy) == (stored.bits, stored.ranges, stored.entropy)
        for own, theirs in ((codec.low, stored.low), (codec.step, stored.step)):
            assert (own is None) == (theirs is None)
            assert own is None or np.array_equal(own, theirs)  # bit for bit through JSON


@pytest.mark.parametrize(
    ("score", "kind"), [("max_softmax", "conv"), ("entropy", "pooled"), ("margin", "pooled")]
)
def test_every_exit(score: Any, kind: str, tmp_path: Path) -> None:
    config = InferenceConfig(PayloadForm((8,)), score=score, temperature="fitted")
    source = source_of(*CNN, config=config, exit_kind=kind)
    point = RunPoint(middle_of(source), 0.05, 8)
    assert build(source, [point], tmp_path).checked[0].exit_logits is not None


def test_bottlenecks_and_joint_tensors(tmp_path: Path) -> None:
    narrow = source_of(*CNN, config=EIGHT, bottleneck=Bottleneck("pool1", 2))
    assert build(narrow, [RunPoint("bottleneck.encode", 0.3, 8)], tmp_path / "narrow").checked
    factory, arguments, shape = ZOO["resnet"]
    joint = source_of(factory, arguments, shape, config=EIGHT, crossing_tensors=3)
    names = [point.name for point in joint.restore().split_points if "+" in point.name]
    assert names
    checked = build(joint, [RunPoint(name, 0.3, 8) for name in names[:2]], tmp_path / "joint").checked
    assert all(own.server_logits is not None for own in checked)


def test_samples_go_in_as_they_come(tmp_path: Path) -> None:
    source = source_of(*CNN, config=EIGHT, dtype="uint8")
    built = build(source, [RunPoint.at_output()], tmp_path)
    bundle = load_bundle(built.folder, "edge")
    raw = source.data.raw(source.data.test.inputs[:1])[0]
    assert set(np.unique(raw)) <= set(range(256))
    with torch.no_grad():
        expected = source.restore().features(source.data.test.inputs[:1])[-1][0].numpy()
    np.testing.assert_allclose(EdgeParts(bundle).run(raw).crossing, expected, atol=1e-5)


def test_large_offsets_lose_no_digits(tmp_path: Path) -> None:
    source = source_of(*MLP, config=EIGHT)
    shifted = source.data.__class__(**{**vars(source.data), "mean": (1e5,) * 16, "std": (0.01,) * 16})
    moved = Source(source.name, source.restore, source.calibration, shifted, source.setting)
    with pytest.raises(NotEquivalentError, match="crossing differ"):  # samples of float32 do not hold them
        build(moved, [RunPoint("relu1", None, 8)], tmp_path)
    assert not (tmp_path / "bundle").exists()


def test_a_wrong_weight_is_found_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from explorer.deploy import bundle

    honest = bundle.export_chain

    def with_one_wrong_weight(*args: Any) -> Any:
        model = honest(*args)
        weight = max(model.graph.initializer, key=lambda own: np.prod(own.dims))
        values = numpy_helper.to_array(weight).copy()
        values.reshape(-1)[3] *= -1
        weight.CopyFrom(numpy_helper.from_array(values, weight.name))
        return model

    monkeypatch.setattr(bundle, "export_chain", with_one_wrong_weight)
    with pytest.raises(NotEquivalentError, match="differ by"):
        build(source_of(*MLP, config=EIGHT), [RunPoint("relu1", None, 8)], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    with pytest.raises(UserError, match="--out: must not exist yet"):
        build(source_of(*MLP, config=EIGHT), [RunPoint.at_output()], tmp_path)


def test_files_say_nothing_of_where_they_were_made(tmp_path: Path) -> None:
    import socket

    built = build(source_of(*MLP, config=EIGHT), [RunPoint("relu1", 0.3, 8)], tmp_path)
    home, here, host = str(Path.home()), str(Path.cwd()), socket.gethostname()
    for path in built.folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(word.encode() in content for word in (home, here, str(tmp_path), '.py", line'))
            assert len(host) < 4 or host.encode() not in content
            assert not content.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"))  # pickle
    for path in built.file_bytes:
        model = onnx.load(built.folder / path)
        assert not model.doc_string
        assert not model.metadata_props
        assert not model.graph.value_info
        assert not any(node.metadata_props or node.doc_string or node.domain for node in model.graph.node)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    built = build(source_of(*MLP, config=EIGHT), [RunPoint("relu1", 0.3, 8)], tmp_path)
    files = [path for path in built.folder.rglob("*") if path.is_file() and path.name != "manifest.json"]
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        halves = {"edge": "server/", "server": "edge/"}
        name = path.relative_to(built.folder).as_posix()
        for half, other in halves.items():
            if "/" in name and not name.startswith(other):
                with pytest.raises(BundleError, match=re.escape(name)):
                    load_bundle(built.folder, half)  # type: ignore[arg-type]
            elif name.startswith(other):
                load_bundle(built.folder, half)  # type: ignore[arg-type]
        path.write_bytes(whole)
    manifest = built.folder / "manifest.json"
    content = json.loads(manifest.read_text())
    content["points"][0]["exit"]["threshold"] = 0.1
    manifest.write_text(json.dumps(content))
    with pytest.raises(BundleError, match="does not fit its own digest"):
        load_bundle(built.folder, "edge")


def test_points_share_files(tmp_path: Path) -> None:
    source = source_of(*CNN, config=EIGHT)
    names = [point.name for point in source.restore().split_points]
    points = [RunPoint(name, 0.3, 8) for name in names[1:-1]]
    bundle = load_bundle(build(source, points, tmp_path).folder, "edge")
    for earlier, later in pairwise(bundle.points):
        assert later.edge_stages[:-1] == earlier.edge_stages
        assert earlier.server_stages[1:] == later.server_stages
    assert len(bundle.stages["edge"]) == len(bundle.stages["server"]) == len(points)


def test_the_runtime_of_a_bundle_needs_neither_torch_nor_the_package(tmp_path: Path) -> None:
    built = build(source_of(*MLP, config=EIGHT), [RunPoint("relu1", 0.3, 8)], tmp_path)
    code = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "explorer", "pandas", "pydantic", "onnx"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
from pathlib import Path
from runtime.manifest import load_bundle
from runtime.stages import EdgeParts, self_check
self_check(EdgeParts(load_bundle(Path("."), "edge")))
print("alike")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=built.folder, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("alike\n", 0), done.stderr
