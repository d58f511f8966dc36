"""Rewrite a foreign graph in the form that ``lenetx.graph`` reads; only the proof reads it, no engine runs it."""

from typing import TYPE_CHECKING

from lenetx_runtime import ModelSpec
from lenetx_runtime.layout import axes_of

from .constants import compute_constants, constants_as_tensors
from .older import as_known_opset
from .protobuf import replace

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["drop_unread", "readable", "simplified"]

_FLOAT = 1
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
    readable(found, spec)
    _adapt_output(found, spec)
    drop_unread(found)
    return found


def readable(model: "ModelProto", spec: ModelSpec) -> None:
    """Simplify a model as ``simplified`` does, in place, apart from its output."""
    constants_as_tensors(model)
    as_known_opset(model)
    _casts(model)
    _identities(model)
    compute_constants(model)
    _adapt_input(model, spec)


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


def _adapt_input(model: "ModelProto", spec: ModelSpec) -> None:
    """Make the input [N, C, H, W]."""
    import numpy as np
    from onnx import helper, numpy_helper

    graph = model.graph
    given = graph.input[0]
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


def _adapt_output(model: "ModelProto", spec: ModelSpec) -> None:
    """Make the output [N, K]."""
    from onnx import helper

    graph, wanted = model.graph, model.graph.output[0]
    batch = wanted.type.tensor_type.shape.dim[0]
    size = batch.dim_param or batch.dim_value
    if len(wanted.type.tensor_type.shape.dim) != 2:
        graph.node.append(helper.make_node("Flatten", [wanted.name], [_ROWS], axis=1))
        wanted.CopyFrom(helper.make_tensor_value_info(_ROWS, 1, [size, len(spec.labels)]))
