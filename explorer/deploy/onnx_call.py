"""One call of a layer or a function, to be written down as nodes of ONNX."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from explorer.deploy.onnx_graph import OnnxGraph


class UnknownLayerError(Exception):
    """A layer or operation, or an option of it, that is not among those that are written down.

    Example:
        >>> str(UnknownLayerError("Mish"))
        'Mish'
    """


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes:
        graph: Takes the nodes.
        module: The layer, if it is one.
        args: Of the call; tensors have two samples.
        kwargs: Likewise.
        inputs: Names of the tensors among ``args``, in order, those in a list included.
        after: What came out.

    Example:
        >>> import torch
        >>> x = torch.zeros(2, 3)
        >>> call = Call(OnnxGraph("input"), None, (x,), {}, ("input",), x.relu())
        >>> call.add("Relu"), call.before.shape
        ('value.0', torch.Size([2, 3]))
    """

    graph: OnnxGraph
    module: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[str, ...]
    after: Tensor

    @property
    def before(self) -> Tensor:
        """The first tensor."""
        first: Tensor = self.args[0][0] if isinstance(self.args[0], list | tuple) else self.args[0]
        return first

    def add(self, kind: str, *more: str, **attributes: Any) -> str:
        """A node that reads the first tensor, and more."""
        return self.graph.add(kind, self.inputs[0], *more, **attributes)

    def require(self, condition: bool, what: str) -> None:
        """Leave what is not meant here to torch's exporter.

        Raises:
            UnknownLayerError: The condition does not hold.
        """
        if not condition:
            raise UnknownLayerError(what)

    def argument(self, place: int, name: str, default: Any) -> Any:
        """An argument of a function by its place or its name."""
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, default)

    def gemm(self, weight: str, bias: Tensor | None) -> str:
        """Vectors times a weight (outputs, inputs)."""
        self.require(self.before.dim() == 2, "a layer of more than one vector")
        return self.add("Gemm", weight, *self._given(bias), transB=1)

    def convolution(self, source: str, geometry: Any, weight: str, bias: Tensor | None, groups: int) -> str:
        """A convolution; ``geometry`` has its stride, padding and dilation."""
        self.require(not isinstance(geometry.padding, str), f"padding {geometry.padding!r}")
        return self.graph.add(
            *("Conv", source, weight, *self._given(bias)),
            strides=list(geometry.stride),
            pads=[*geometry.padding, *geometry.padding],
            dilations=list(geometry.dilation),
            group=groups,
        )

    def _given(self, bias: Tensor | None) -> tuple[str, ...]:
        return () if bias is None else (self.graph.constant(bias),)
