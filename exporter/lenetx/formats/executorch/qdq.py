"""Run a QDQ graph as a torch module of the quantized operators that XNNPACK's partitioner looks for."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from onnx import helper, numpy_helper
from torch import nn

from ...quantization.program import OPERATORS
from ...quantization.widen import stored

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto
    from torch import Tensor

__all__ = ["QdqNetwork"]

_LEAST, _MOST = -128, 127
_LAYERS = {"Conv": "Conv", "Gemm": "Gemm", "MatMul": "Gemm"}
_MOVES = ("Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose")
"""Operators that only move numbers: between integers of one scale they are integers too."""
_SETTINGS = ("Clip", "DequantizeLinear", "Pad", "QuantizeLinear")
"""Operators whose further inputs are settings."""


class _Quantized(NamedTuple):
    """An int8 tensor, which each reader dequantizes for itself: XNNPACK joins that with the reader.

    Attributes:
        numbers: int8[N, …].
        scale, zero: how they were quantized.
    """

    numbers: "Tensor"
    scale: float
    zero: int

    @classmethod
    def of(cls, values: "Tensor", scale: float, zero: int) -> "_Quantized":
        quantize = torch.ops.quantized_decomposed.quantize_per_tensor
        return cls(quantize(values, scale, zero, _LEAST, _MOST, torch.int8), scale, zero)

    def real(self) -> "Tensor":
        dequantize = torch.ops.quantized_decomposed.dequantize_per_tensor
        found: Tensor = dequantize(self.numbers, self.scale, self.zero, _LEAST, _MOST, torch.int8)
        return found


class QdqNetwork(nn.Module):
    """A QDQ graph in float32 and int8.

    A layer whose result is quantized reads its int8 weight; the others, such as the one of the logits, read float32
    numbers: XNNPACK has no layer from int8 numbers to float32.

    Args:
        model: from ``lenetx.quantization.reduce``; ``quantization.program.Program`` accepts it.
        is_shown: whether it returns the integers of each quantized tensor after the logits.
    """

    def __init__(self, model: "ModelProto", *, is_shown: bool = False) -> None:
        super().__init__()
        graph = model.graph
        self._input, self._output, self._is_shown = graph.input[0].name, graph.output[0].name, is_shown
        self._stored = stored(model)
        held = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        dequantizing = [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in held]
        own = {node.output[0]: node.input[0] for node in dequantizing}
        self._nodes = [node for node in graph.node if node.output[0] not in own]
        self._how = {
            node.output[0]: (float(held[node.input[1]]), int(held[node.input[2]]))
            for node in self._nodes
            if node.op_type == "QuantizeLinear"
        }
        self._constants: dict[str, NDArray[Any]] = {
            **held,
            **{node.output[0]: _real_of(node, held) for node in dequantizing},
        }
        self._buffers_of: dict[str, str] = {}
        self._weights = {
            node.output[0]: own[node.input[1]]
            for node in self._nodes
            if node.op_type in _LAYERS and self._is_quantized(node.output[0]) and self._has_int8(own, node)
        }
        for node in self._nodes:
            self._hold(node)

    def forward(self, image: "Tensor") -> "Tensor | tuple[Tensor, ...]":
        """Return float32[N, K] logits for float32[N, C, H, W], and the integers if they are shown."""
        values: dict[str, Any] = {self._input: image}
        shown: list[Tensor] = []
        for node in self._nodes:
            name = node.output[0]
            given: Any = values.get(node.input[0])
            if node.op_type == "QuantizeLinear":
                values[name] = _Quantized.of(_real(given), *self._how[name])
                shown.append(values[name].numbers)
            elif node.op_type == "DequantizeLinear":
                values[name] = given
            elif node.op_type in _MOVES:
                moved = self._moved(node, _real(given))
                is_quantized = isinstance(given, _Quantized)
                values[name] = _Quantized.of(moved, given.scale, given.zero) if is_quantized else moved
            else:
                values[name] = self._computed(node, values)
        logits = _real(values[self._output])
        return (logits, *shown) if self._is_shown else logits

    def _is_quantized(self, name: str) -> bool:
        return [node.op_type for node in self._nodes if name in node.input] == ["QuantizeLinear"]

    def _has_int8(self, own: dict[str, str], node: "NodeProto") -> bool:
        """Return whether a layer has an int8 weight with one scale for each output."""
        each = self._stored.get(own.get(node.input[1], ""))
        if each is None or each.numbers.dtype != np.int8 or each.is_shifted:
            return False
        return not each.scales.ndim or each.axis == _axis(node)

    def _hold(self, node: "NodeProto") -> None:
        """Register the tensors that a node reads."""
        weight = self._weights.get(node.output[0])
        for place, name in enumerate(node.input):
            if name not in self._constants or (place and node.op_type in _SETTINGS):
                continue
            if place == 1 and weight is not None:
                each = self._stored[weight]
                numbers = each.numbers if _axis(node) == 0 else each.numbers.T
                scales = np.broadcast_to(each.scales, numbers.shape[:1])
                zeros = np.zeros(len(scales), np.int64)
                for part, array in (("", numbers), (":scale", scales), (":zero", zeros)):
                    self._register(f"{node.output[0]}{part}", array)
            elif self._constants[name].dtype.kind == "f":
                array = self._constants[name]
                is_turned = place == 1 and node.op_type in _LAYERS and _axis(node) == 1
                self._register(f"{node.output[0]}/{place}", array.T if is_turned else array)

    def _register(self, name: str, array: "NDArray[Any]") -> None:
        own = f"tensor_{len(self._buffers_of)}"
        self._buffers_of[name] = own
        self.register_buffer(own, torch.from_numpy(np.array(array, order="C")))

    def _held(self, name: str) -> "Tensor":
        found: Tensor = getattr(self, self._buffers_of[name])
        return found

    def _computed(self, node: "NodeProto", values: dict[str, Any]) -> Any:
        attributes, operator = _attributes(node), OPERATORS[_LAYERS.get(node.op_type, node.op_type)]
        given = [self._operand(node, place, values) for place in range(len(node.input))]
        if node.output[0] in self._weights or f"{node.output[0]}/1" in self._buffers_of:
            attributes["transB"] = 1  # ``_hold`` has turned the weight
        return operator(attributes, *given)

    def _operand(self, node: "NodeProto", place: int, values: dict[str, Any]) -> Any:
        name, result = node.input[place], node.output[0]
        if place == 1 and result in self._weights:
            dequantize = torch.ops.quantized_decomposed.dequantize_per_channel
            parts = (self._held(f"{result}{part}") for part in ("", ":scale", ":zero"))
            return dequantize(*parts, 0, _LEAST, _MOST, torch.int8)
        if f"{result}/{place}" in self._buffers_of:
            return self._held(f"{result}/{place}")
        if name in values:
            return _real(values[name])
        return self._constants[name] if name else None

    def _moved(self, node: "NodeProto", values: "Tensor") -> "Tensor":
        """Return moved numbers; a new shape leaves the number of images open, so that XNNPACK takes it."""
        constants = [self._constants[name] for name in node.input[1:] if name]
        operator, attributes = OPERATORS[node.op_type], _attributes(node)
        if node.op_type == "Transpose":
            found: Tensor = operator(attributes, values)
            return found
        sizes = operator(attributes, torch.empty(2, *values.shape[1:], device="meta"), *constants).shape[1:]
        return values.reshape(-1, *sizes)


def _real(value: "Tensor | _Quantized") -> "Tensor":
    return value.real() if isinstance(value, _Quantized) else value


def _real_of(node: "NodeProto", held: "dict[str, NDArray[Any]]") -> "NDArray[np.float32]":
    """Return the numbers that a dequantization of constants gives, each rounded once."""
    numbers, scales, *zeros = (torch.from_numpy(held[name].copy()) for name in node.input)
    found = OPERATORS["DequantizeLinear"](_attributes(node), numbers, scales.double(), *zeros)
    real: NDArray[np.float32] = found.float().numpy()
    return real


def _axis(node: "NodeProto") -> int:
    """Return the axis of the outputs of a layer's weight."""
    return 0 if node.op_type == "Conv" or _attributes(node).get("transB") else 1


def _attributes(node: "NodeProto") -> dict[str, Any]:
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}
