"""Bundles made up without training: a small network with random weights, written in milliseconds."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, save

import explorer.runtime
from explorer.runtime.codec import Codec, decode, encode
from explorer.runtime.manifest import MANIFEST, SAMPLES, digest_of

INPUT_SHAPE, CROSSING, CLASSES, CHECKED = (1, 8, 8), 16, 10, 4
RUNTIME = Path(explorer.runtime.__file__).parent
POINTS: tuple[dict[str, Any] | None, ...] = (  # payloads; None runs all on the edge
    {"bits": 8, "ranges": "sample", "entropy": "none", "low": None, "step": None},
    {"bits": 4, "ranges": "tensor", "entropy": "none", "low": [0.0], "step": [0.25]},
    {"bits": 32, "ranges": "sample", "entropy": "none", "low": None, "step": None},
    None,
    {"bits": 8, "ranges": "sample", "entropy": "zstd", "low": None, "step": None},
)
OUTPUT_POINT = POINTS.index(None)


def write_bundle(folder: Path, name: str = "digits", seed: int = 0, width: int = 32) -> Path:
    """Write a bundle whose points differ in how they send the crossing tensor.

    Args:
        folder: Where to.
        name: Of the model.
        seed: Of the weights; other weights make another version.
        width: Of the server's hidden layer; a large one takes long.
    """
    generator = np.random.default_rng(seed)
    edge, server = _Graph(generator), _Graph(generator)
    hidden = edge.relu(edge.linear("flat", 64, CROSSING), "crossing")
    edge.exit(hidden)
    _save(edge, folder / "edge/stage-0.onnx", INPUT_SHAPE, flatten=True)
    server.linear(server.relu(server.linear("input", CROSSING, width)), width, CLASSES, "crossing")
    _save(server, folder / "server/stage-0.onnx", (CROSSING,))
    shutil.copy(folder / "server/stage-0.onnx", folder / "edge/stage-1.onnx")
    shutil.copytree(RUNTIME, folder / "runtime", ignore=shutil.ignore_patterns("__pycache__"))
    _write_samples(folder, generator)
    content = _manifest(folder, name)
    (folder / MANIFEST).write_text(json.dumps(content | {"bundle": digest_of(content)}))
    return folder


def crossings(count: int, seed: int = 0) -> np.ndarray:
    """Tensors (count, CROSSING) such as the edge might send."""
    return np.random.default_rng(seed).random((count, CROSSING), np.float32) * 3


class _Graph:
    """Nodes and weights of one ONNX file."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.outputs = ["crossing"]

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def linear(self, source: str, inputs: int, outputs: int, name: str = "") -> str:
        name = name or f"t{len(self.nodes)}"
        weight = self.generator.normal(size=(inputs, outputs)).astype(np.float32)
        self.weights.append(numpy_helper.from_array(weight, f"w.{name}"))
        return self.node("MatMul", [source, f"w.{name}"], name)

    def relu(self, source: str, name: str = "") -> str:
        return self.node("Relu", [source], name or f"t{len(self.nodes)}")

    def exit(self, source: str) -> None:
        logits = self.linear(source, CROSSING, CLASSES, "logits")
        self.node("Softmax", [logits], "probabilities", axis=1)
        self.node("ReduceMax", ["probabilities"], "confidence", axes=[1], keepdims=0)
        self.outputs += ["logits", "confidence"]


def _save(graph: _Graph, path: Path, shape: tuple[int, ...], flatten: bool = False) -> None:
    if flatten:
        graph.nodes.insert(0, helper.make_node("Flatten", ["input"], ["flat"]))
    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *shape])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in graph.outputs]
    drawn = helper.make_graph(graph.nodes, "stage", [entry], ends, graph.weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(helper.make_model(drawn, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def _write_samples(folder: Path, generator: np.random.Generator) -> None:
    samples = generator.random((CHECKED, *INPUT_SHAPE), np.float32)
    crossing, logits = _outputs(folder / "edge/stage-0.onnx", samples, ["crossing", "logits"])
    (whole,) = _outputs(folder / "edge/stage-1.onnx", crossing, ["crossing"])
    known = {"input": samples}
    for number, payload in enumerate(POINTS):
        known |= {f"{number}.crossing": crossing, f"{number}.logits": logits}
        if payload is None:
            known |= {f"{number}.crossing": whole}
            continue
        received = np.stack([roundtrip(own, payload) for own in crossing])
        (known[f"{number}.answer"],) = _outputs(folder / "server/stage-0.onnx", received, ["crossing"])
    (folder / SAMPLES).parent.mkdir(parents=True, exist_ok=True)
    np.savez(folder / SAMPLES, **known)


def codec_of(payload: dict[str, Any]) -> Codec:
    """The codec that the manifest describes."""
    ends = {
        key: None if payload[key] is None else np.array(payload[key], np.float32) for key in ("low", "step")
    }
    return Codec(payload["bits"], payload["ranges"], payload["entropy"], **ends)


def roundtrip(crossing: np.ndarray, payload: dict[str, Any]) -> np.ndarray:
    """What the server receives."""
    return decode(encode(crossing, codec_of(payload)), crossing.shape, codec_of(payload))


def _outputs(path: Path, tensor: np.ndarray, names: list[str]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(names, {"input": tensor})


def _manifest(folder: Path, name: str) -> dict[str, Any]:
    contents = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    files = {
        path.relative_to(folder).as_posix(): {"sha256": hashlib.sha256(own).hexdigest(), "bytes": len(own)}
        for path, own in contents.items()
    }
    return {
        "format": 1,
        "name": name,
        "run": "stand-in",
        "files": files,
        "input": {"shape": list(INPUT_SHAPE), "dtype": "float32", "mean": [0.0], "std": [1.0]},
        "classes": {"count": CLASSES, "names": None},
        "stages": {"edge": ["edge/stage-0.onnx", "edge/stage-1.onnx"], "server": ["server/stage-0.onnx"]},
        "points": [_point(number, payload) for number, payload in enumerate(POINTS)],
        "numeric": {"tolerance": 1e-5},
        "checked": {},
        "tools": {},
    }


def _point(number: int, payload: dict[str, Any] | None) -> dict[str, Any]:
    whole = payload is None
    rule = {"score": "max_softmax", "temperature": 1.0, "threshold": 0.9} if number == 0 else None
    return {
        "id": f"stand-in-{number}",
        "split_point": "output" if whole else "relu1",
        "crossing_shape": [CLASSES if whole else CROSSING],
        "edge_stages": [0, 1] if whole else [0],
        "server_stages": [] if whole else [0],
        "exit": rule,
        "payload": payload,
        "accuracy": 0.9,
        "exit_rate": 0.0,
        "message_bytes": 0.0,
        "predicted": {},
    }
