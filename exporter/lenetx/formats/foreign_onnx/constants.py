"""Compute the tensors that a foreign graph makes from constants alone."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .protobuf import replace

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

__all__ = ["compute_constants", "constants_as_tensors"]

_MOST = 2**22
"""Most numbers of all tensors together that are computed from constants."""
_VALUES = ("value", "value_float", "value_int", "value_floats", "value_ints")
_INT64 = 7
_DEFAULT = ("", "ai.onnx")


def constants_as_tensors(model: "ModelProto") -> None:
    """Convert Constant nodes to initializers."""
    kept = []
    for node in model.graph.node:
        value = _value(node) if node.op_type == "Constant" and node.domain in _DEFAULT else None
        if value is None:
            kept.append(node)
            continue
        tensor = model.graph.initializer.add()
        tensor.CopyFrom(value)
        tensor.name = node.output[0]
    replace(model.graph.node, kept)


def _value(node: "NodeProto") -> Any:
    import numpy as np
    from onnx import helper, numpy_helper

    (attribute,) = node.attribute if len(node.attribute) == 1 else (None,)
    if attribute is None or attribute.name not in _VALUES or len(node.output) != 1:
        return None
    if attribute.name == "value":
        return attribute.t
    kind = np.float32 if "float" in attribute.name else np.int64
    return numpy_helper.from_array(np.array(helper.get_attribute_value(attribute), kind))


def compute_constants(model: "ModelProto") -> None:
    """Compute the tensors that nodes make from constants alone, such as a bias of zeros."""
    import numpy as np
    from onnx import numpy_helper

    held = {tensor.name: tensor for tensor in model.graph.initializer}
    arrays: dict[str, NDArray[Any]] = {}
    left = _MOST

    def read(name: str) -> "NDArray[Any]":
        if name not in arrays:
            arrays[name] = numpy_helper.to_array(held[name])
        return arrays[name]

    kept = []
    for node in model.graph.node:
        compute = _COMPUTED.get(node.op_type) if node.domain in _DEFAULT else None
        is_constant = compute is not None and all(name in held for name in node.input) and len(node.output) == 1
        found = None
        if is_constant and compute is not None:
            try:
                found = compute(node, [read(name) for name in node.input])
            except Exception:  # numpy raises several classes for sizes that do not fit
                found = None
        if found is None or found.size > left:
            kept.append(node)
            continue
        left -= found.size
        tensor = numpy_helper.from_array(np.array(found, order="C"), node.output[0])
        model.graph.initializer.append(tensor)
        held[tensor.name] = tensor
    replace(model.graph.node, kept)


def _shape(node: "NodeProto", values: "list[NDArray[Any]]") -> Any:
    import numpy as np

    limits = {attribute.name: attribute.i for attribute in node.attribute}
    return np.array(values[0].shape[slice(limits.get("start"), limits.get("end"))], np.int64)


def _expand(_: "NodeProto", values: "list[NDArray[Any]]") -> Any:
    import numpy as np

    shape = np.broadcast_shapes(values[0].shape, tuple(values[1].tolist()))
    return np.broadcast_to(values[0], shape).copy() if math.prod(shape) <= _MOST else None


def _constant_of_shape(node: "NodeProto", values: "list[NDArray[Any]]") -> Any:
    import numpy as np
    from onnx import numpy_helper

    shape = values[0].tolist()
    filler = numpy_helper.to_array(node.attribute[0].t) if node.attribute else np.zeros(1, np.float32)
    return np.full(shape, filler.reshape(()), filler.dtype) if math.prod(shape) <= _MOST else None


def _concat(node: "NodeProto", values: "list[NDArray[Any]]") -> Any:
    import numpy as np

    return np.concatenate(values, _integer(node, "axis"))


def _reshape(node: "NodeProto", values: "list[NDArray[Any]]") -> Any:
    sizes = values[1].tolist()
    return None if 0 in sizes and not _integer(node, "allowzero") else values[0].reshape(sizes)


def _transpose(node: "NodeProto", values: "list[NDArray[Any]]") -> Any:
    return values[0].transpose(list(node.attribute[0].ints) if node.attribute else None)


def _slice(_: "NodeProto", values: "list[NDArray[Any]]") -> Any:
    starts, ends = (values[place].tolist() for place in (1, 2))
    axes = values[3].tolist() if len(values) > 3 else range(len(starts))
    steps = values[4].tolist() if len(values) > 4 else [1] * len(starts)
    parts = [slice(None)] * values[0].ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        size = values[0].shape[axis]
        if step < 0 and start < -size:
            return None
        parts[axis] = slice(start, None if step < 0 and end < -size else end, step)
    return values[0][tuple(parts)]


def _cast(node: "NodeProto", values: "list[NDArray[Any]]") -> Any:
    return values[0] if _integer(node, "to") == _INT64 else None


def _integer(node: "NodeProto", name: str) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), 0)


def _of_whole_numbers(compute: "Callable[[NodeProto, list[NDArray[Any]]], Any]") -> Any:
    """Compute sizes alone: weights are left as the file has them, and so is what would not fit into memory."""

    def run(node: "NodeProto", values: "list[NDArray[Any]]") -> Any:
        are_sizes = all(each.dtype.name == "int64" for each in values) and sum(each.size for each in values) <= _MOST
        return compute(node, values) if are_sizes else None

    return run


_COMPUTED: "Mapping[str, Callable[[NodeProto, list[NDArray[Any]]], Any]]" = {
    "Shape": _shape,
    "Expand": _expand,
    "ConstantOfShape": _constant_of_shape,
    "Concat": _of_whole_numbers(_concat),
    "Reshape": _of_whole_numbers(_reshape),
    "Transpose": _of_whole_numbers(_transpose),
    "Slice": _of_whole_numbers(_slice),
    "Cast": _of_whole_numbers(_cast),
}
