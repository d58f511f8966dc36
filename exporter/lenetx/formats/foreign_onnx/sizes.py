"""Make constants of the sizes that a foreign graph divides by: a size is never 0, which an engine cannot know."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec

from ...graph import sizes_in
from .constants import compute_constants
from .outputs import leading_to
from .protobuf import replace
from .simplify import readable

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto, TensorProto

__all__ = ["fix_divisors"]

_DIVISIONS = ("Div", "Mod")
_DEFAULT = ("", "ai.onnx")
_FLOAT, _BOOL = 1, 9
_KINDS = (_FLOAT, _BOOL)
_MOST_ROUNDS = 64
"""Most times that a graph is read: each makes sizes known on which later ones depend."""
_MOST_NODES = 2**14
"""Most nodes of a graph that is read so often."""
_MOST = 2**12
"""Most numbers of a tensor that is kept to find sizes; of a larger one only the shape is."""
_DIVISOR = "lenetx:divisor"


def fix_divisors(model: "ModelProto", spec: ModelSpec) -> None:
    """Replace, in place, each divisor that is a known size above 0 by a constant, and drop what only computed it.

    A size must follow from constants and from the sizes of axes, exactly for any number of images. Nodes that led to no
    output before are kept.

    Args:
        model: with the axes of the spec, see ``contract.fit_axes``, and without branches.
        spec: of the file.
    """
    import numpy as np
    from onnx import numpy_helper

    graph = model.graph
    divisions = [*_computed_divisions(model)]
    if not divisions or len(graph.node) > _MOST_NODES:
        return
    known, end = _known_sizes(model, spec), graph.output[0].name
    idle = [name for node, leads in leading_to(graph, [end]) if not leads for name in node.output]
    for place, node in enumerate(divisions):
        divisor = known.get(node.input[1])
        if divisor is not None and all(type(size) is int and size > 0 for size in divisor.flat):
            tensor = numpy_helper.from_array(np.array(divisor.tolist(), np.int64), f"{_DIVISOR}{place}")
            graph.initializer.append(tensor)
            node.input[1] = tensor.name
    replace(graph.node, [node for node, leads in leading_to(graph, [end, *idle]) if leads])


def _computed_divisions(model: "ModelProto") -> "Iterator[NodeProto]":
    """Yield the divisions whose divisor is not a constant."""
    held = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            held.update(node.output)
        divides = node.op_type in _DIVISIONS and node.domain in _DEFAULT and len(node.input) == 2
        if divides and node.input[1] not in held:
            yield node


def _known_sizes(model: "ModelProto", spec: ModelSpec) -> "dict[str, NDArray[Any]]":
    """Return the integers that are the same for any number of images, as arrays of objects by name."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    part = onnx.ModelProto()
    part.CopyFrom(model)
    _drop_data(part)
    readable(part, spec)
    found: dict[str, NDArray[Any]] = {}
    for _ in range(_MOST_ROUNDS):
        count = len(part.graph.node)
        made = {node.output[0] for node in part.graph.node if len(node.output) == 1}
        sizes = {name: each for name, each in sizes_in(part).items() if name in made and _are_whole(each)}
        found |= sizes
        arrays = {name: np.array(each.tolist(), np.int64) for name, each in sizes.items()}
        part.graph.initializer.extend(numpy_helper.from_array(each, name) for name, each in arrays.items())
        replace(part.graph.node, [node for node in part.graph.node if node.output[0] not in sizes])
        compute_constants(part)
        _drop_values(part)
        if len(part.graph.node) == count:
            break
    for node in model.graph.node:
        if node.op_type == "Identity" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return found


def _are_whole(sizes: "NDArray[Any]") -> bool:
    return all(type(each) is int for each in sizes.flat)


def _drop_data(model: "ModelProto") -> None:
    """Keep only the shapes of large tensors, in place."""
    for tensor in model.graph.initializer:
        if tensor.data_type == _FLOAT and math.prod(tensor.dims) > _MOST:
            tensor.ClearField("raw_data")
            tensor.ClearField("float_data")


def _drop_values(model: "ModelProto") -> None:
    """Replace, in place, what is computed from constants alone by tensors without data, if its shape is known."""
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        tensor = _shape(model, node, held) if len(node.output) == 1 else None
        if tensor is None:
            kept.append(node)
            continue
        held[tensor.name] = tensor
        model.graph.initializer.append(tensor)
    replace(model.graph.node, kept)


def _shape(model: "ModelProto", node: "NodeProto", held: "Mapping[str, TensorProto]") -> "TensorProto | None":
    """Return the type and shape of what a node computes from constants; ``None`` for integers and what is not known."""
    from onnx import TensorProto, defs, helper, shape_inference

    given = [name for name in node.input if name]
    if node.op_type == "ScatterND" and given[0] in held:  # whatever is written where
        return TensorProto(name=node.output[0], dims=held[given[0]].dims, data_type=held[given[0]].data_type)
    if not all(name in held for name in given):
        return None
    data = {name: held[name] for name in given}
    kinds = {name: helper.make_tensor_type_proto(each.data_type, each.dims) for name, each in data.items()}
    opsets = [*model.opset_import]
    try:
        schema = defs.get_schema(node.op_type, opsets[0].version, node.domain)
        found = shape_inference.infer_node_outputs(schema, node, kinds, data, opset_imports=opsets)[node.output[0]]
    except Exception:  # onnx raises several unrelated classes
        return None
    kind = found.tensor_type
    sizes = [axis.dim_value if axis.HasField("dim_value") else -1 for axis in kind.shape.dim]
    if kind.elem_type not in _KINDS or not kind.HasField("shape") or min(sizes, default=0) < 0:
        return None
    return TensorProto(name=node.output[0], dims=sizes, data_type=kind.elem_type)
