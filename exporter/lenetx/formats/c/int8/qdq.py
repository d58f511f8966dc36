"""Read the QDQ graph of an int8 model: its quantized tensors, its constants, and the nodes between quantizations."""

from typing import TYPE_CHECKING, Any

import numpy as np

from lenetx_runtime import InputError

from ....graph.expression import plain
from ....quantization.widen import stored
from ..graph import Graph, label, unsupported
from .chains import FUNCTIONS, LAYERS, MOVES, POOLS, Chain, functions, tabled
from .fixed import fixed
from .steps import Quantization, Rescale

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

__all__ = ["Qdq", "attributes_of"]


class Qdq:
    """A QDQ graph whose input has a fixed shape.

    Args:
        model: from ``lenetx.quantization.reduce``.

    Attributes:
        graph: its shapes and constants.
        stored: the integers of its weights.
        makers: the node that computes each tensor.
        tensors: name and quantization of each int8 tensor, by the name of its integers; filled in the graph's order.
    """

    def __init__(self, model: "ModelProto") -> None:
        self.graph, self.stored = Graph(model), stored(model)
        self.makers = {name: node for node in model.graph.node for name in node.output}
        self.tensors: dict[str, tuple[str, Quantization]] = {}

    def chain(self, name: str) -> Chain:
        """Return the nodes between a float tensor and what quantized tensors or layers it comes from.

        Raises:
            InputError: one of them has no integer formula; it is named.
        """
        nodes: list[NodeProto] = []
        while name in self.makers:
            node = self.makers[name]
            if node.op_type == "DequantizeLinear" or node.op_type in LAYERS:
                return Chain(node, nodes[::-1])
            if node.op_type not in (*MOVES, *FUNCTIONS, *POOLS):
                raise unsupported(node, "is an operator without an integer formula")
            read = [each for each in node.input if each and not self.is_constant(each)]
            if len(read) != 1:
                raise unsupported(
                    node, "reads several tensors that are computed, for which there is no integer formula"
                )
            nodes.append(node)
            name = read[0]
        where = f": {label(nodes[-1])} reads it" if nodes else ""
        raise InputError(f"The network cannot be written as C: '{plain(name)}' is not quantized before its use{where}.")

    def is_constant(self, name: str) -> bool:
        """Return whether a tensor is not computed."""
        maker = self.makers.get(name)
        return name in self.graph.constants or (maker is not None and maker.input[0] in self.stored)

    def constant(self, name: str) -> "NDArray[Any] | None":
        """Return a tensor that is not computed, in float64 if it is real, and ``None`` for one that is."""
        if not self.is_constant(name):
            return None
        if name in self.graph.constants:
            held = self.graph.constants[name]
            return held.astype(np.float64) if held.dtype.kind == "f" else held
        maker = self.makers[name]
        each = self.stored[maker.input[0]]
        zero = self.graph.constants[maker.input[2]].astype(np.float64) if len(maker.input) > 2 else np.zeros(())
        shape = [-1 if place == each.axis else 1 for place in range(each.numbers.ndim)]
        scales = each.scales.astype(np.float64)
        zero, scales = (values.reshape(shape) if values.ndim else values for values in (zero, scales))
        return (each.numbers - zero) * scales

    def require_moves(self, nodes: "list[NodeProto]") -> None:
        """Raise InputError, naming the node, unless all nodes leave the numbers as they are in memory."""
        for node in nodes:
            if node.op_type not in MOVES:
                raise unsupported(node, "follows a layer without a quantization between them")

    def source(self, node: "NodeProto", name: str) -> tuple[str, Quantization]:
        """Return the quantized tensor that an operator reads."""
        chain = self.chain(name)
        if chain.head.op_type != "DequantizeLinear":
            raise unsupported(node, "reads a tensor that is not quantized")
        self.require_moves(chain.nodes)
        return self.tensors[chain.head.input[0]]

    def common(self, name: str, node: "NodeProto", *reads: str) -> dict[str, Any]:
        """Return the fields of every step."""
        return {"label": label(node), "reads": reads, "writes": name, "shape": self.graph.shape(node, name)[1:]}

    def rescale(self, node: "NodeProto", ratios: "NDArray[np.float64]", zero: int) -> Rescale:
        """Return the fixed-point form of the quotients of scales; InputError if one is too large."""
        found = [fixed(float(ratio)) for ratio in ratios]
        if any(each is None for each in found):
            raise unsupported(node, "has a scale that is 2^30 times that of its result, or more")
        factors, shifts = zip(*(each for each in found if each is not None), strict=True)
        return Rescale(np.array(factors, np.int32), np.array(shifts, np.int8), zero)

    def table(
        self, source: str, given: Quantization, how: Quantization, nodes: "list[NodeProto]"
    ) -> "NDArray[np.int8]":
        """Return the table of functions from a quantized tensor to another quantization."""
        return tabled(functions(self.graph.shapes[source], given, nodes, self.constant), how)


def attributes_of(node: "NodeProto") -> dict[str, Any]:
    """Return the attributes of a node by name."""
    from onnx import helper

    return {each.name: helper.get_attribute_value(each) for each in node.attribute}
