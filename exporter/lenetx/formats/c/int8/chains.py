"""Compute functions of one int8 number, such as activations, as tables of all 256 results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....quantization.program import OPERATORS
from ..graph import unsupported
from .steps import Quantization

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import NodeProto

__all__ = ["FUNCTIONS", "LAYERS", "MOVES", "POOLS", "Chain", "functions", "tabled"]

MOVES = ("Dropout", "Flatten", "Identity", "Reshape", "Squeeze")
"""Operators after which numbers lie in memory as before."""
FUNCTIONS = ("BatchNormalization", "Clip", "Div", "LeakyRelu", "Mul", "Relu", "Sigmoid", "Sub", "Tanh")
LAYERS = ("Add", "Concat", "Conv", "Gemm", "MatMul")
POOLS = ("AveragePool", "GlobalAveragePool", "MaxPool", "ReduceMean")


@dataclass(frozen=True, slots=True)
class Chain:
    """Nodes that follow each other.

    Attributes:
        head: the dequantization, or the layer, whose result the first of them reads.
        nodes: in order.
    """

    head: "NodeProto"
    nodes: "list[NodeProto]"

    def split(self) -> "tuple[list[NodeProto], NodeProto | None, list[NodeProto]]":
        """Return the functions before the pooling, the pooling, and the functions after it.

        Raises:
            InputError: there is more than one pooling.
        """
        before: list[NodeProto] = []
        after: list[NodeProto] = []
        pool = None
        for node in self.nodes:
            if node.op_type in FUNCTIONS:
                (before if pool is None else after).append(node)
            elif node.op_type in POOLS:
                if pool is not None:
                    raise unsupported(node, "follows a pooling without a quantization between them")
                pool = node
        return before, pool, after


def functions(
    shape: Sequence[int], given: Quantization, nodes: "Sequence[NodeProto]", constant: Callable[[str], Any]
) -> "NDArray[np.float64]":
    """Return what functions make of all 256 numbers, float64[1, 256], or float64[C, 256] if channels differ.

    Args:
        shape: of the tensor, with its batch axis.
        given: how it is quantized.
        nodes: the functions, in order.
        constant: returns a constant by its name, and ``None`` for a tensor that is computed.

    Raises:
        InputError: a constant is not one number, or one for each channel.
    """
    import torch
    from onnx import helper

    channels, rest = shape[1] if len(shape) > 1 else 1, [1] * (len(shape) - 2)
    numbers = (torch.arange(-128, 128, dtype=torch.float64) - given.zero) * given.scale
    values = numbers.view(256, 1, *rest).expand(256, channels, *rest)
    for node in nodes:
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        read = [None if not name else _tensor(constant(name), values) for name in node.input]
        values = OPERATORS[node.op_type](attributes, *read)
        if values.shape != (256, channels, *rest):
            raise unsupported(node, "has a constant that is not one number, or one for each channel")
    found: NDArray[np.float64] = values.reshape(256, channels).T.numpy()
    return found[:1] if (found == found[:1]).all() else found


def _tensor(constant: Any, values: Any) -> Any:
    import torch

    return values if constant is None else torch.from_numpy(np.array(constant))


def tabled(values: "NDArray[np.float64]", how: Quantization) -> "NDArray[np.int8]":
    """Return real numbers as int8: clamp(zero + round(value ÷ scale)), ties to even."""
    found: NDArray[np.int8] = np.clip(np.rint(values / how.scale) + how.zero, -128, 127).astype(np.int8)
    return found
