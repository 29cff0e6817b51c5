"""An ONNX graph in the making: nodes one after another, constants once each, names that are settled late."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor

OPSET, IR_VERSION = 20, 10
BATCH = "batch"


class OnnxGraph:
    """Collects what a model computes; every value has a name.

    Args:
        source: Name of the value that comes in.

    Example:
        >>> import torch
        >>> graph = OnnxGraph("input")
        >>> output = graph.add("Mul", "input", graph.constant(torch.tensor(2.0)))
        >>> graph.take(output, "logits")
        'logits'
        >>> model = graph.model({"input": (3,), "logits": (3,)})
        >>> [(node.op_type, list(node.output)) for node in model.graph.node]
        [('Mul', ['logits'])]
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._nodes = list[Any]()
        self._constants = dict[str, Any]()
        self._of_tensor = dict[int, tuple[str, Tensor]]()  # the tensor too, or its id may be another's
        self._names = dict[str, str]()  # of values that were taken, by the names that they had before

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of the standard; returns the name of its only, or first, output."""
        output = f"value.{len(self._nodes)}"
        outputs = [output, f"{output}.places"] if kind == "TopK" else [output]
        self._nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return output

    def constant(self, values: Tensor | NDArray[Any] | Sequence[int]) -> str:
        """A constant as it is; whole numbers are int64. A tensor that comes again is stored once."""
        if not isinstance(values, Tensor):
            return self._store(np.asarray(values))
        if id(values) not in self._of_tensor:
            self._of_tensor[id(values)] = self._store(values.detach().cpu().numpy()), values
        return self._of_tensor[id(values)][0]

    def _store(self, values: NDArray[Any]) -> str:
        name = f"constant.{len(self._constants)}"
        whole = np.issubdtype(values.dtype, np.integer)
        stored = np.ascontiguousarray(values, np.int64 if whole else values.dtype).reshape(values.shape)
        self._constants[name] = numpy_helper.from_array(stored, name)
        return name

    def reshaped(self, value: str, shape: Sequence[int]) -> str:
        """The same values of every sample, in another shape."""
        return self.add("Reshape", value, self.constant([-1, *shape]))

    def take(self, value: str, name: str) -> str:
        """Let a value come out under a name; it goes on under that name too."""
        if value == self._source or value in self._names.values():
            value = self.add("Identity", value)
        self._names[value] = name
        return name

    def model(self, shapes: dict[str, tuple[int, ...]]) -> onnx.ModelProto:
        """The model, with what comes in and all that was taken.

        Args:
            shapes: Of these, without batch.
        """
        for node in self._nodes:
            node.input[:] = [self._names.get(name, name) for name in node.input]
            node.output[:] = [self._names.get(name, name) for name in node.output]
        outputs = [described(name, shapes[name]) for name in self._names.values()]
        graph = helper.make_graph(
            *(self._nodes, "network", [described(self._source, shapes[self._source])], outputs),
            list(self._constants.values()),
        )
        return model_of(graph)


def described(name: str, shape: Sequence[int]) -> Any:
    """A float32 value with a free batch axis before ``shape``.

    Example:
        >>> described("logits", (10,)).name
        'logits'
    """
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [BATCH, *shape])


def model_of(graph: Any, ir_version: int = IR_VERSION) -> onnx.ModelProto:
    """A model of standard operators.

    Example:
        >>> model_of(helper.make_graph([], "network", [], [])).opset_import[0].version
        20
    """
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=ir_version)
