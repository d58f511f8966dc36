"""Rewrite a foreign graph in the form that ``lenetx.graph`` reads; only the proof reads it, no engine runs it."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec
from lenetx_runtime.layout import axes_of

from .older import as_known_opset

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

__all__ = ["drop_unread", "replace", "simplified"]

_MOST = 2**22
"""Most numbers of all tensors together that are computed from constants."""
_FLOAT = 1
_VALUES = ("value", "value_float", "value_int", "value_floats", "value_ints")
_IMAGE, _ROWS = "lenetx:image", "lenetx:rows"
_TO_CHANNELS_LAST = [0, 2, 3, 1]


def simplified(model: "ModelProto", spec: ModelSpec) -> "ModelProto":
    """Return a copy in which tensors replace Constant nodes and what is computed from constants alone.

    Identities, dropout and what does not lead to an output are left out. The copy maps float32[N, C, H, W] to
    float32[N, K], regardless of the file's layout.
    """
    import onnx

    found = onnx.ModelProto()
    found.CopyFrom(model)
    _constants(found)
    as_known_opset(found)
    _casts(found)
    _identities(found)
    _computed(found)
    _adapt(found, spec)
    drop_unread(found)
    return found


def drop_unread(model: "ModelProto") -> None:
    """Drop nodes and tensors that do not lead to the output, in place."""
    graph = model.graph
    read = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if read.intersection(filter(None, node.output)):
            read.update(node.input)
            kept.append(node)
    tensors = [tensor for tensor in graph.initializer if tensor.name in read]
    nodes = kept[::-1]
    replace(graph.node, nodes)
    replace(graph.initializer, tensors)


def replace(field: Any, values: list[Any]) -> None:
    """Set a repeated field of a protobuf message to new values, which may be its own in another order."""
    copies = [type(value).FromString(value.SerializeToString()) for value in values]
    del field[:]
    field.extend(copies)


def _constants(model: "ModelProto") -> None:
    """Convert Constant nodes to initializers."""
    kept = []
    for node in model.graph.node:
        value = _value(node) if node.op_type == "Constant" else None
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


def _identities(model: "ModelProto") -> None:
    """Make the readers of an Identity read its input; keep one that returns the output."""
    outputs = {value.name for value in model.graph.output}
    same: dict[str, str] = {}
    kept = []
    for node in model.graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
        if node.op_type == "Identity" and len(node.input) == 1 and node.output[0] not in outputs:
            same[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    replace(model.graph.node, kept)


def _casts(model: "ModelProto") -> None:
    """Write a conversion from float32 to float32 as an Identity."""
    import onnx

    casts = [node for node in model.graph.node if node.op_type in ("Cast", "CastLike")]
    if not casts:
        return
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # onnx raises several unrelated classes
        return
    values = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.input)}
    kinds = values | {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in casts:
        to = [attribute.i for attribute in node.attribute if attribute.name == "to"]
        if [*(kinds.get(name) for name in node.input), *to] == [_FLOAT, _FLOAT]:
            node.op_type = "Identity"
            del node.input[1:], node.attribute[:]


def _computed(model: "ModelProto") -> None:
    """Compute the tensors that nodes make from constants alone, such as a bias of zeros."""
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
        compute = _COMPUTED.get(node.op_type)
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
        tensor = numpy_helper.from_array(found, node.output[0])
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


_COMPUTED: "Mapping[str, Callable[[NodeProto, list[NDArray[Any]]], Any]]" = {
    "Shape": _shape,
    "Expand": _expand,
    "ConstantOfShape": _constant_of_shape,
}


def _adapt(model: "ModelProto", spec: ModelSpec) -> None:
    """Make the input [N, C, H, W] and the output [N, K]."""
    import numpy as np
    from onnx import helper, numpy_helper

    graph = model.graph
    given, wanted = graph.input[0], graph.output[0]
    batch = given.type.tensor_type.shape.dim[0]
    size = batch.dim_param or batch.dim_value
    if spec.layout == "nhwc":
        nodes = [helper.make_node("Transpose", [_IMAGE], [given.name], perm=_TO_CHANNELS_LAST)]
    elif spec.layout != "nchw":
        target = np.array([-1, *axes_of(spec.layout, spec.input_shape)], np.int64)
        graph.initializer.append(numpy_helper.from_array(target, f"{_IMAGE}:axes"))
        nodes = [helper.make_node("Reshape", [_IMAGE, f"{_IMAGE}:axes"], [given.name])]
    else:
        nodes = []
    if nodes:
        replace(graph.node, [*nodes, *graph.node])
        given.CopyFrom(helper.make_tensor_value_info(_IMAGE, 1, [size, *spec.input_shape]))
    if len(wanted.type.tensor_type.shape.dim) != 2:
        graph.node.append(helper.make_node("Flatten", [wanted.name], [_ROWS], axis=1))
        wanted.CopyFrom(helper.make_tensor_value_info(_ROWS, 1, [size, len(spec.labels)]))
