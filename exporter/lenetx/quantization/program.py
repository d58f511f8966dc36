"""Run an ONNX graph in float64 with torch: the exact meaning of a reduced model, its roundings to int8 included."""

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lenetx_runtime import InputError

from ..bounds.storing import store_float16
from ..graph.expression import plain
from .plain_graph import require_plain

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto
    from torch import Tensor

__all__ = ["OPERATORS", "QUANTIZE", "Nudge", "Program"]

QUANTIZE = "lenetx::quantize"
"""The operator that stands for a QuantizeLinear and its DequantizeLinear on a tape."""
_EXACT = frozenset(
    {"Concat", "Dropout", "Flatten", "Identity", "MaxPool", "Pad", "Relu", "Reshape", "Squeeze", "Transpose"}
)
"""Operators whose results are numbers that they read, or zeros."""
_LEAST, _MOST = -128, 127

Nudge = tuple["Tensor", "Tensor", "Tensor"]
"""Rows, flat positions within a row, and what is added there, each [F]."""


class Program:
    """A graph as a function from float64[N, C, H, W] to float64[N, K].

    Weights are exact: int8 numbers times their scales, or float16 numbers. Activations are rounded where the graph
    says so, ties to even, as ONNX defines QuantizeLinear.

    Args:
        model: from ``lenetx.quantization.reduce``.

    Attributes:
        is_int8: whether activations are quantized.
        quantized: the names of the tensors that are quantized, in the order of the graph.
        nudges: by the place of a quantization in ``quantized``, what is added to its result.

    Raises:
        InputError: it has an operator or an attribute that this program does not compute; the message names it.
    """

    def __init__(self, model: "ModelProto") -> None:
        import torch
        from onnx import numpy_helper

        graph = model.graph
        self._input, self._output = graph.input[0].name, graph.output[0].name
        self._nodes = list(graph.node)
        held = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
        self._held = {name: each.double() if each.is_floating_point() else each for name, each in held.items()}
        self.quantized = tuple(node.input[0] for node in self._nodes if node.op_type == "QuantizeLinear")
        self.is_int8 = bool(self.quantized)
        self.nudges: Mapping[int, Nudge] = {}
        for node in self._nodes:
            if node.op_type not in OPERATORS:
                what = f"it has the operator {plain(node.op_type)}. Export it in float32."
                raise InputError(f"Its arithmetic cannot be proven in reduced precision: {what}")
        require_plain(model)

    def __call__(self, inputs: "Tensor") -> "Tensor":
        """Run the graph without gradients."""
        values: dict[str, Any] = {self._input: inputs, **self._held}
        count = itertools.count()
        for node in self._nodes:
            given = [values[name] if name else None for name in node.input]
            if node.op_type == "QuantizeLinear":
                values[node.output[0]] = self._quantized(given, next(count))
                continue
            found = OPERATORS[node.op_type](_attributes(node), *given)
            stores = not self.is_int8 and node.op_type not in _EXACT and node.output[0] != self._output
            values[node.output[0]] = store_float16()(found) if stores else found
        logits: Tensor = values[self._output].flatten(1)
        return logits

    def activation(self, name: str) -> "Callable[[Tensor], Tensor]":
        """Return the Relu or Clip that alone reads a quantized tensor; otherwise the identity."""
        followed, readers = {name}, []
        for node in self._nodes:
            if followed.isdisjoint(node.input):
                continue
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                followed.add(node.output[0])
            else:
                readers.append(node)
        if len(readers) != 1 or readers[0].op_type not in ("Clip", "Relu"):
            return lambda values: values
        (node,) = readers
        others = [self._held[each] if each else None for each in node.input[1:]]
        return lambda values: OPERATORS[node.op_type](_attributes(node), values, *others)

    def _quantized(self, given: list[Any], place: int) -> "Tensor":
        found: Tensor = _quantize()(given[0], float(given[1]), int(given[2]), _LEAST, _MOST)
        if place in self.nudges:
            rows, positions, deltas = self.nudges[place]
            found = found.contiguous()
            found.view(len(found), -1)[rows, positions] += deltas
        return found


@functools.cache
def _quantize() -> Callable[..., Any]:
    import torch
    from torch import library

    @library.custom_op(QUANTIZE, mutates_args=())
    def quantize(inputs: torch.Tensor, scale: float, zero: int, least: int, most: int) -> torch.Tensor:
        return (torch.round(inputs / scale) + zero).clamp(least, most).sub_(zero).mul_(scale)

    return quantize


def _attributes(node: "NodeProto") -> dict[str, Any]:
    from onnx import helper

    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _dequantize(attributes: dict[str, Any], inputs: "Tensor", scale: "Tensor", zero: "Tensor | None" = None) -> Any:
    if inputs.is_floating_point():  # it was quantized on the way, and ``Program`` has undone that already
        return inputs
    numbers = inputs.double() if zero is None else inputs.double() - _along(zero.double(), attributes, inputs)
    return numbers * _along(scale, attributes, inputs)


def _along(values: "Tensor", attributes: dict[str, Any], inputs: "Tensor") -> "Tensor":
    if not values.ndim:
        return values
    axis = attributes.get("axis", 1) % inputs.ndim
    return values.view(*(-1 if place == axis else 1 for place in range(inputs.ndim)))


def _padding(attributes: dict[str, Any], inputs: "Tensor", fill: float) -> tuple["Tensor", list[int]]:
    """Return the input, padded if both sides of an axis differ, and the padding that is left to the operator."""
    from torch.nn import functional

    pads = list(attributes.get("pads", [0] * 4))
    before, after = pads[: len(pads) // 2], pads[len(pads) // 2 :]
    if before == after:
        return inputs, before
    if attributes.get("ceil_mode"):
        raise InputError(
            "A pooling pads its sides differently and rounds up, which cannot be proven in reduced precision."
        )
    frame = [each for pair in zip(reversed(before), reversed(after), strict=True) for each in pair]
    return functional.pad(inputs, frame, value=fill), [0] * len(before)


def _conv(attributes: dict[str, Any], inputs: "Tensor", weight: "Tensor", bias: "Tensor | None" = None) -> Any:
    import torch

    inputs, padding = _padding(attributes, inputs, 0.0)
    ones = [1] * (inputs.ndim - 2)
    strides, dilations = attributes.get("strides", ones), attributes.get("dilations", ones)
    function = {3: torch.conv1d, 4: torch.conv2d}[inputs.ndim]
    return function(inputs, weight, bias, strides, padding, dilations, attributes.get("group", 1))


def _gemm(attributes: dict[str, Any], inputs: "Tensor", weight: "Tensor", bias: "Tensor | None" = None) -> Any:
    from torch.nn import functional

    return functional.linear(inputs, weight if attributes.get("transB") else weight.t(), bias)


def _max_pool(attributes: dict[str, Any], inputs: "Tensor") -> Any:
    from torch.nn import functional

    inputs, padding = _padding(attributes, inputs, float("-inf"))
    shape = attributes["kernel_shape"]
    ones = [1] * len(shape)
    return functional.max_pool2d(
        inputs,
        shape,
        attributes.get("strides", ones),
        padding,
        attributes.get("dilations", ones),
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
    )


def _average_pool(attributes: dict[str, Any], inputs: "Tensor") -> Any:
    from torch.nn import functional

    counted = bool(attributes.get("count_include_pad", 0))
    pads = list(attributes.get("pads", [0] * 4))
    if not counted and pads[: len(pads) // 2] != pads[len(pads) // 2 :]:
        raise InputError("An AveragePool pads its sides differently, which lenetx cannot prove in reduced precision.")
    inputs, padding = _padding(attributes, inputs, 0.0)
    return functional.avg_pool2d(
        inputs,
        attributes["kernel_shape"],
        attributes.get("strides", [1, 1]),
        padding,
        bool(attributes.get("ceil_mode", 0)),
        counted,
    )


def _clip(_: dict[str, Any], inputs: "Tensor", least: "Tensor | None" = None, most: "Tensor | None" = None) -> Any:
    import torch

    return torch.clamp(inputs, *(None if each is None else float(each) for each in (least, most)))


def _reshape(attributes: dict[str, Any], inputs: "Tensor", shape: "Tensor") -> Any:
    copies = not attributes.get("allowzero", 0)
    sizes = [inputs.shape[place] if copies and size == 0 else size for place, size in enumerate(shape.tolist())]
    return inputs.reshape(len(inputs), *sizes[1:])


def _pad(
    attributes: dict[str, Any],
    inputs: "Tensor",
    pads: "Tensor",
    fill: "Tensor | None" = None,
    axes: "Tensor | None" = None,
) -> Any:
    from torch.nn import functional

    if attributes.get("mode", b"constant") != b"constant":
        raise InputError("A Pad repeats or mirrors its input, which lenetx cannot prove in reduced precision.")
    sizes = pads.tolist()
    places = range(inputs.ndim) if axes is None else [axis % inputs.ndim for axis in axes.tolist()]
    pairs = dict(zip(places, zip(sizes[: len(places)], sizes[len(places) :], strict=True), strict=True))
    frame = [each for place in reversed(range(inputs.ndim)) for each in pairs.get(place, (0, 0))]
    return functional.pad(inputs, frame, value=0.0 if fill is None else float(fill))


def _squeeze(_: dict[str, Any], inputs: "Tensor", axes: "Tensor") -> Any:
    for axis in sorted((axis % inputs.ndim for axis in axes.tolist()), reverse=True):
        inputs = inputs.squeeze(axis)
    return inputs


def _mean(attributes: dict[str, Any], inputs: "Tensor", axes: "Tensor | None" = None) -> Any:
    places = attributes.get("axes", range(inputs.ndim)) if axes is None else axes.tolist()  # an attribute to opset 17
    return inputs.mean(list(places), keepdim=bool(attributes.get("keepdims", 1)))


def _method(name: str) -> Callable[..., Any]:
    return lambda _, inputs, *others: getattr(inputs, name)(*others)


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "Add": _method("add"),
    "AveragePool": _average_pool,
    "BatchNormalization": lambda a, x, weight, bias, mean, variance: _norm(a, x, weight, bias, mean, variance),
    "Cast": lambda _, x: x,
    "Clip": _clip,
    "Concat": lambda a, *x: _cat(x, a["axis"]),
    "Conv": _conv,
    "DequantizeLinear": _dequantize,
    "Div": _method("div"),
    "Dropout": lambda _, x, *__: x,
    "Flatten": lambda _, x: x.flatten(1),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda _, x: x.mean((2, 3), keepdim=True),
    "Identity": lambda _, x: x,
    "LeakyRelu": lambda a, x: _leaky(x, a.get("alpha", 0.01)),
    "MatMul": lambda _, x, weight: _gemm({}, x, weight),
    "MaxPool": _max_pool,
    "Mul": _method("mul"),
    "Pad": _pad,
    "QuantizeLinear": lambda *_: None,
    "ReduceMean": _mean,
    "Relu": _method("relu"),
    "Reshape": _reshape,
    "Sigmoid": _method("sigmoid"),
    "Squeeze": _squeeze,
    "Sub": _method("sub"),
    "Tanh": _method("tanh"),
    "Transpose": lambda a, x: x.permute(a["perm"]),
}
"""Operators with float64 arithmetic, whose rounding ``lenetx.bounds`` knows, by their names in ONNX."""


def _cat(values: Any, axis: int) -> Any:
    import torch

    return torch.cat(values, axis)


def _leaky(inputs: "Tensor", slope: float) -> Any:
    from torch.nn import functional

    return functional.leaky_relu(inputs, slope)


def _norm(attributes: dict[str, Any], inputs: "Tensor", *statistics: "Tensor") -> Any:
    from torch.nn import functional

    weight, bias, mean, variance = statistics
    return functional.batch_norm(inputs, mean, variance, weight, bias, eps=attributes.get("epsilon", 1e-5))
