"""Turn the QDQ graph of an int8 model into integer steps: one for each quantization, and one for the logits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lenetx_runtime import InputError

from ....graph.expression import plain
from ....quantization.plain_graph import require_plain
from .layers import convolution, dense_layer
from .qdq import Qdq
from .steps import Quantization, Step
from .sums import join, mapped, total

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["Integers", "lowered"]

_LAYERS: "dict[str, Callable[[Qdq, str, Quantization | None, NodeProto], Step]]" = {
    "Add": total,
    "Concat": join,
    "Conv": convolution,
    "Gemm": dense_layer,
    "MatMul": dense_layer,
}


@dataclass(frozen=True, slots=True)
class Integers:
    """A network as integer steps.

    Attributes:
        given: name of the input.
        first: how it is quantized.
        steps: in the order in which they run; the last one returns float32 logits.
        output: name of the logits.
        shapes: of all tensors, without the batch axis.
    """

    given: str
    first: Quantization
    steps: list[Step]
    output: str
    shapes: dict[str, tuple[int, ...]]


def lowered(model: "ModelProto") -> Integers:
    """Return the integer steps of a QDQ graph for one image.

    Raises:
        InputError: an operator, or a use of one, has no integer formula; it names the node.
    """
    require_plain(model)
    try:
        return _integers(model)
    except InputError:
        raise
    except Exception:  # a graph that lenetx did not write: names, shapes and attributes of any kind
        raise InputError("The network cannot be written as C: its graph is not one that lenetx quantizes.") from None


def _integers(model: "ModelProto") -> Integers:
    qdq, given, output = Qdq(model), model.graph.input[0].name, model.graph.output[0].name
    first, steps = None, []
    for node in model.graph.node:
        if node.op_type != "QuantizeLinear":
            continue
        name, held = node.input[0], qdq.graph.constants
        how = Quantization(float(held[node.input[1]]), int(held[node.input[2]]))
        if name == given:
            first = how
        else:
            steps.append(_step(qdq, name, how))
        qdq.tensors[node.output[0]] = name, how
    steps.append(_step(qdq, output, None))
    if first is None:
        raise InputError(f"The network cannot be written as C: its input '{plain(given)}' is not quantized.")
    shapes = {given: qdq.graph.shapes[given][1:]} | {step.writes: step.shape for step in steps}
    return Integers(given, first, steps, output, shapes)


def _step(qdq: Qdq, name: str, how: Quantization | None) -> Step:
    chain = qdq.chain(name)
    if chain.head.op_type == "DequantizeLinear":
        return mapped(qdq, name, how, chain)
    qdq.require_moves(chain.nodes)
    return _LAYERS[chain.head.op_type](qdq, name, how, chain.head)
