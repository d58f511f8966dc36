"""Read the float32 graph that a reduced model stands for, and the numbers that it holds instead of float32 weights."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lenetx_runtime import ArtifactError

from ..graph.expression import plain
from .names import SCALE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

__all__ = ["Activation", "Stored", "activations", "stored", "widened"]

_FLOAT, _FLOAT16 = 1, 10
_PAIR = ("QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True, slots=True)
class Stored:
    """The int8 or int32 numbers of one weight.

    Attributes:
        numbers: int8[…] of a weight, or int32[…] of a bias.
        scales: float32[channels] along ``axis``, or float32[].
        axis: of the channels.
        is_shifted: whether a zero point other than 0 is subtracted.
    """

    numbers: "NDArray[Any]"
    scales: "NDArray[np.float32]"
    axis: int
    is_shifted: bool


@dataclass(frozen=True, slots=True)
class Activation:
    """How one tensor is quantized on the way.

    Attributes:
        scale: of its int8 numbers.
        zero: the number that stands for 0.0.
    """

    scale: float
    zero: int


def widened(model: "ModelProto") -> "ModelProto":
    """Return the graph with float32 weights, without the nodes that only change the precision.

    Raises:
        ArtifactError: such a node is used in another way than lenetx writes it.
    """
    import onnx
    from onnx import numpy_helper

    found = onnx.ModelProto()
    found.CopyFrom(model)
    graph = found.graph
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights: dict[str, NDArray[np.float32]] = {}
    same: dict[str, str] = {}
    nodes: list[NodeProto] = []
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = same.get(name, name)
        if node.op_type == "DequantizeLinear" and node.input[0] in held:
            name = node.input[0]
            weights[name] = _dequantized(_stored(node, held))
            same[node.output[0]] = name
        elif node.op_type in (*_PAIR, "Cast") and node.output[0] != graph.output[0].name:
            same[node.output[0]] = node.input[0]
        elif node.op_type == "Cast":  # the last: its input takes the output's name
            last = next(each for each in reversed(nodes) if node.input[0] in each.output)
            last.output[0] = node.output[0]
        else:
            nodes.append(node)
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    read = {name for node in nodes for name in node.input}
    held |= weights
    for name in sorted(held.keys() & read):
        array = held[name].astype(np.float32) if held[name].dtype == np.float16 else held[name]
        graph.initializer.append(numpy_helper.from_array(array, name))
    return found


def stored(model: "ModelProto") -> "Mapping[str, Stored]":
    """Return the integers that a model holds instead of float32 weights, by the weights' names."""
    from onnx import numpy_helper

    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return {
        node.input[0]: _stored(node, held)
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in held
    }


def activations(model: "ModelProto") -> "Mapping[str, Activation]":
    """Return how tensors are quantized on the way, by their names, in the order of the graph."""
    from onnx import numpy_helper

    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            zero = int(held[node.input[2]]) if len(node.input) > 2 else 0
            found[node.input[0]] = Activation(float(held[node.input[1]]), zero)
    return found


def _stored(node: "NodeProto", held: "Mapping[str, NDArray[Any]]") -> Stored:
    try:
        numbers, scales = held[node.input[0]], held[node.input[1]]
        shift = held[node.input[2]] if len(node.input) > 2 else np.zeros(1)
    except (KeyError, IndexError):
        raise ArtifactError(f"The scale of {plain(node.input[0])} is not a tensor of the file.") from None
    axis = next((each.i for each in node.attribute if each.name == "axis"), 1)
    if scales.ndim and (
        scales.ndim > 1 or not -numbers.ndim <= axis < numbers.ndim or len(scales) != numbers.shape[axis]
    ):
        raise ArtifactError(f"The {plain(node.input[0])}{SCALE} does not fit its weight.")
    return Stored(numbers, scales, axis % max(1, numbers.ndim), bool(shift.any()))


def _dequantized(each: Stored) -> "NDArray[np.float32]":
    shape = [-1 if place == each.axis else 1 for place in range(each.numbers.ndim)]
    scales = each.scales.reshape(shape) if each.scales.ndim else each.scales
    found: NDArray[np.float32] = (each.numbers.astype(np.float64) * scales).astype(np.float32)
    return found
