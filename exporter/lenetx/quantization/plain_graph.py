"""Reject a reduced graph with attributes or quantizations that ``program`` would compute otherwise than an engine."""

from typing import TYPE_CHECKING, Any

from lenetx_runtime import InputError

from ..graph.expression import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx import ModelProto, NodeProto, TensorProto

__all__ = ["require_plain"]

_FLOAT, _INT8, _INT32, _FLOAT16 = 1, 3, 6, 10
"""``onnx.TensorProto`` data types."""
_READ = {
    "AveragePool": "ceil_mode count_include_pad kernel_shape pads strides",
    "BatchNormalization": "epsilon momentum",
    "Concat": "axis",
    "Conv": "dilations group kernel_shape pads strides",
    "DequantizeLinear": "axis",
    "Gemm": "transB",
    "LeakyRelu": "alpha",
    "MaxPool": "ceil_mode dilations kernel_shape pads strides",
    "Pad": "mode",
    "QuantizeLinear": "axis",
    "ReduceMean": "axes keepdims",
    "Reshape": "allowzero",
    "Transpose": "perm",
}
"""Attributes that ``program`` reads or that change no result, by operator."""
_NEUTRAL: "Mapping[str, Any]" = {
    "auto_pad": b"NOTSET",
    "axis": 1,
    "alpha": 1.0,
    "beta": 1.0,
    "saturate": 1,
    **dict.fromkeys(("block_size", "noop_with_empty_axes", "output_dtype"), 0),
    **dict.fromkeys(("storage_order", "training_mode", "transA"), 0),
}
"""Values at which other attributes change no result."""
_POOLS, _SIDES = ("AveragePool", "MaxPool"), 2


def require_plain(model: "ModelProto") -> None:
    """Check the attributes of all operators, and that each tensor is quantized once, to int8.

    Raises:
        InputError: an attribute or a quantization is not one that is computed.
    """
    quantizes = any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    for node in model.graph.node:
        for attribute in node.attribute:
            _require_attribute(node, attribute)
        if node.op_type == "Cast" and quantizes:
            raise _unprovable("it casts numbers that are quantized")
    _require_quantizations(model)


def _unprovable(reason: str) -> InputError:
    return InputError(f"Its arithmetic cannot be proven in reduced precision: {reason}. Export it in float32.")


def _require_attribute(node: "NodeProto", attribute: Any) -> None:
    from onnx import helper

    name, value = attribute.name, helper.get_attribute_value(attribute)
    if node.op_type == "Cast" and name == "to":
        is_plain = value in (_FLOAT, _FLOAT16)
    elif name == "kernel_shape" and node.op_type in _POOLS:
        is_plain = len(value) == _SIDES
    elif name in _READ.get(node.op_type, "").split():
        is_plain = True
    else:
        is_plain = (name in _NEUTRAL and value == _NEUTRAL[name]) or (name == "dilations" and set(value) == {1})
    if not is_plain:
        raise _unprovable(f"its {plain(node.op_type)} has {plain(f'{name} = {value}')}")


def _require_quantizations(model: "ModelProto") -> None:
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    quantized: dict[str, list[str]] = {}
    """Scale and zero point, by the name of the integers."""
    seen: set[str] = set()
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        name = node.input[0]
        if node.op_type == "QuantizeLinear":
            is_plain = name not in seen and _is_of_int8(node, held)
            quantized[node.output[0]] = list(node.input[1:])
        elif name in held:
            is_plain = name not in seen and held[name].data_type in (_INT8, _INT32)
        else:
            is_plain = quantized.get(name) == list(node.input[1:])
        if not is_plain:
            raise _unprovable(f"{node.op_type} of {plain(name)} is not one scale and one zero point of int8 for it")
        if node.op_type == "QuantizeLinear" or name in held:
            seen.add(name)


def _is_of_int8(node: "NodeProto", held: "Mapping[str, TensorProto]") -> bool:
    """Return whether a tensor is quantized to int8 by one positive scale; without a zero point, ONNX means uint8."""
    import numpy as np
    from onnx import numpy_helper

    if len(node.input) != 3 or not all(name in held for name in node.input[1:]):
        return False
    scale, zero = (numpy_helper.to_array(held[name]) for name in node.input[1:])
    return scale.size == zero.size == 1 and zero.dtype == np.int8 and bool(np.isfinite(scale) & (scale > 0))
