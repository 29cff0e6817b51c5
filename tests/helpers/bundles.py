"""Whole bundles of a tiny network without any training: its ONNX files are put together by hand.

The network: 16 raw values (1, 4, 4) are normalised (x - 0.5) / 0.25, a linear layer with ReLU gives 8 values
(``relu1``), another 3 logits; the exit at ``relu1`` has a linear layer of its own. A seed gives all weights.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from explorer import runtime
from explorer.deploy.texts import script
from explorer.runtime.codec import Codec, decode, encode
from explorer.runtime.manifest import digest_of

SHAPE, HIDDEN, CLASSES = (1, 4, 4), 8, 3
MEAN, STD = 0.5, 0.25
RUNTIME = Path(runtime.__file__).parent
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TinyPoint:
    """One operating point: ``threshold`` None has no exit; ``split_point`` is input, relu1 or output."""

    split_point: str = "relu1"
    threshold: float | None = 0.5
    bits: int = 8
    entropy: str = "none"
    accuracy: float = 0.9

    def __post_init__(self) -> None:
        assert self.threshold is None or self.split_point == "relu1"


class TinyNet:
    """The network in numpy: what every half has to answer."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.first = rng.normal(size=(16, HIDDEN)).astype(np.float32) * np.float32(0.25)
        self.exit = rng.normal(size=(HIDDEN, CLASSES)).astype(np.float32)
        self.second = rng.normal(size=(HIDDEN, CLASSES)).astype(np.float32)

    def crossing(self, sample: Floats, split_point: str) -> Floats:
        """The tensor at a split point, float32."""
        normalised = ((sample - MEAN) / STD).astype(np.float32)
        if split_point == "input":
            return normalised
        hidden = np.maximum(normalised.reshape(-1) @ self.first, 0)
        return hidden if split_point == "relu1" else hidden @ self.second

    def logits(self, crossing: Floats, split_point: str) -> Floats:
        """What the server makes of a crossing tensor."""
        if split_point == "input":
            crossing = np.maximum(crossing.reshape(-1) @ self.first, 0)
        return crossing @ self.second

    def exit_confidence(self, sample: Floats) -> float:
        """The largest softmax probability of the exit."""
        return float(softmax(self.crossing(sample, "relu1") @ self.exit).max())

    def exit_label(self, sample: Floats) -> int:
        """What the exit answers."""
        return int((self.crossing(sample, "relu1") @ self.exit).argmax())

    def server_label(self, sample: Floats, point: TinyPoint) -> int:
        """What the server answers to a sample that is sent."""
        crossing, codec = self.crossing(sample, point.split_point), Codec(point.bits, entropy=point.entropy)  # type: ignore[arg-type]
        received = decode(encode(crossing, codec), crossing.shape, codec)
        return int(self.logits(received, point.split_point).argmax())


def softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def tiny_samples(count: int, seed: int = 0) -> Floats:
    """Raw samples (count, 1, 4, 4) in [0, 1]."""
    return np.random.default_rng(seed).random((count, *SHAPE), dtype=np.float32)


def tiny_bundle(
    folder: Path, *points: TinyPoint, model: str = "tiny", seed: int = 0, with_runtime: bool = False
) -> Path:
    """Write a bundle of the tiny network and return its folder.

    Args:
        folder: Is made.
        points: Operating points; one at ``relu1`` with exit where there are none.
        model: Its name.
        seed: Of the weights: another seed is another digest.
        with_runtime: Whether ``runtime/`` and the two scripts are copied, too.
    """
    points, net = points or (TinyPoint(),), TinyNet(seed)
    for half in ("edge", "server", "check"):
        (folder / half).mkdir(parents=True)
    edge, server, content = [], [], []
    for number, point in enumerate(points):
        edge.append(f"edge/stage-{number}.onnx")
        onnx.save(_edge_part(net, point), folder / edge[-1])
        if point.split_point != "output":
            server.append(f"server/stage-{number}.onnx")
            onnx.save(_server_part(net, point), folder / server[-1])
        content.append(_point(net, point, number, len(server) - 1))
    np.savez(folder / "check/samples.npz", **_check_samples(net, points))
    if with_runtime:
        shutil.copytree(Path(runtime.__file__).parent, folder / "runtime", ignore=lambda *_: ["__pycache__"])
        for name in ("run_edge.py", "serve.py"):
            (folder / name).write_text(script(name), encoding="utf-8")
    manifest: dict[str, Any] = {
        "format": 1,
        "name": model,
        "run": "tiny",
        "files": {str(path.relative_to(folder)): _file(path) for path in sorted(folder.rglob("*.*"))},
        "input": {"shape": list(SHAPE), "dtype": "float32", "mean": [MEAN], "std": [STD]},
        "classes": {"count": CLASSES, "names": ["a", "b", "c"]},
        "stages": {"edge": edge, "server": server},
        "points": content,
        "numeric": {"tolerance": 1e-5},
        "setting": {"link": {"uplink_bits_per_s": 2e6, "rtt_s": 0.01}, "server": {"macs_per_s": 1e9}},
        "checked": {},
        "tools": {},
    }
    write_manifest(folder, manifest)
    return folder


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest with the digest that fits it."""
    manifest = {**manifest, "bundle": digest_of(manifest)}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _file(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _crossing_shape(point: TinyPoint) -> tuple[int, ...]:
    return {"input": SHAPE, "relu1": (HIDDEN,), "output": (CLASSES,)}[point.split_point]


def _point(net: TinyNet, point: TinyPoint, number: int, server_stage: int) -> dict[str, Any]:
    sends = point.split_point != "output"
    samples = tiny_samples(100)
    exits = [point.threshold is not None and net.exit_confidence(one) >= point.threshold for one in samples]
    rate = float(np.mean(exits)) if sends else 1.0
    exit_rule = {"score": "max_softmax", "temperature": 1.0, "threshold": point.threshold}
    payload = {"bits": point.bits, "ranges": "sample", "entropy": point.entropy, "low": None, "step": None}
    return {
        "id": f"tiny-{number}",
        "split_point": point.split_point,
        "crossing_shape": list(_crossing_shape(point)),
        "edge_stages": [number],
        "server_stages": [server_stage] if sends else [],
        "exit": None if point.threshold is None else exit_rule,
        "payload": payload if sends else None,
        "accuracy": point.accuracy,
        "exit_rate": rate,
        "message_bytes": 10 + float(np.prod(_crossing_shape(point))) * point.bits / 8 if sends else 0.0,
        "predicted": {"server_macs": (1 - rate) * 8 * CLASSES},
    }


def _check_samples(net: TinyNet, points: Sequence[TinyPoint]) -> dict[str, Floats]:
    samples = tiny_samples(20, seed=1)
    known: dict[str, Floats] = {"input": samples}
    for number, point in enumerate(points):
        crossings = np.stack([net.crossing(one, point.split_point) for one in samples])
        known[f"{number}.crossing"] = crossings
        if point.threshold is not None:
            known[f"{number}.logits"] = crossings @ net.exit
        if point.split_point != "output":
            codec = Codec(point.bits, entropy=point.entropy)  # type: ignore[arg-type]
            received = [decode(encode(one, codec), one.shape, codec) for one in crossings]
            known[f"{number}.answer"] = np.stack([net.logits(one, point.split_point) for one in received])
    return known


def _edge_part(net: TinyNet, point: TinyPoint) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Sub", ["input", "mean"], ["centred"]),
        helper.make_node(
            "Div", ["centred", "std"], ["crossing" if point.split_point == "input" else "normalised"]
        ),
    ]
    if point.split_point != "input":
        hidden = "crossing" if point.split_point == "relu1" else "hidden"
        nodes += [*_linear("normalised", "first", "before"), helper.make_node("Relu", ["before"], [hidden])]
    if point.split_point == "output":
        nodes.append(helper.make_node("MatMul", ["hidden", "second"], ["crossing"]))
    outputs = [("crossing", ["B", *_crossing_shape(point)])]
    if point.threshold is not None:
        nodes += [
            helper.make_node("MatMul", ["crossing", "exit"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
            helper.make_node("ReduceMax", ["probabilities"], ["confidence"], axes=[-1], keepdims=0),
        ]
        outputs += [("logits", ["B", CLASSES]), ("confidence", ["B"])]
    return _model(net, nodes, ["B", *SHAPE], outputs)


def _server_part(net: TinyNet, point: TinyPoint) -> onnx.ModelProto:
    hidden, nodes = "input", []
    if point.split_point == "input":
        hidden = "hidden"
        nodes = [*_linear("input", "first", "before"), helper.make_node("Relu", ["before"], [hidden])]
    nodes.append(helper.make_node("MatMul", [hidden, "second"], ["crossing"]))
    return _model(net, nodes, ["B", *_crossing_shape(point)], [("crossing", ["B", CLASSES])])


def _linear(source: str, weights: str, target: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Flatten", [source], [f"{source}_flat"], axis=1),
        helper.make_node("MatMul", [f"{source}_flat", weights], [target]),
    ]


def _model(
    net: TinyNet, nodes: list[onnx.NodeProto], shape: list[Any], outputs: list[tuple[str, list[Any]]]
) -> onnx.ModelProto:
    constants = {
        "mean": np.float32(MEAN),
        "std": np.float32(STD),
        "first": net.first,
        "exit": net.exit,
        "second": net.second,
    }
    used = {source for node in nodes for source in node.input}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, axes) for name, axes in outputs],
        [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in constants.items()
            if name in used
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model
