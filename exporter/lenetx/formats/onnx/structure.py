"""Check an ONNX file without running it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec
from lenetx_runtime.spec import PROBABILITIES

from ...graph.onnx_names import CONSTANT
from ...report import Check
from ..local_paths import local_paths

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto, TensorProto

__all__ = ["OPSETS", "constants", "numbers", "structure", "training_operators", "weights"]

_PLAIN_ATTRIBUTES = (1, 2, 3, 7, 8)
"""``onnx.AttributeProto`` types FLOAT, INT, STRING, FLOATS, INTS and STRINGS; the others hold tensors and graphs."""
OPSETS = range(14, 24)
"""From the oldest opset that onnx's converter supports to the newest that the tested engines run."""
_RANDOM = ("Random", "Bernoulli", "Multinomial")
_FRACTION, _INT, _GRAPH = 1, 2, 5
_INT64 = 7
_SHAPES = {
    "Reshape": (1,),
    "Expand": (1,),
    "Squeeze": (1,),
    "Unsqueeze": (1,),
    "ReduceMean": (1,),
    "ReduceSum": (1,),
    "ReduceMax": (1,),
    "ReduceMin": (1,),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Pad": (1, 3),
    "Tile": (1,),
    "Gather": (1,),
    "GatherND": (1,),
    "Resize": (3,),
}
"""The positions of inputs that are sizes, axes or indices rather than values, by operator."""


def structure(model: "ModelProto", spec: ModelSpec) -> tuple[Check, ...]:
    """Check the file itself: validity, versions, operators, constants, axes and local paths."""
    return (
        _valid(model),
        _versions(model),
        _operators(model),
        _constants(model),
        _axes(model, spec),
        _paths(model),
    )


def training_operators(model: "ModelProto") -> list[str]:
    """Return the nodes in training mode: dropout with a mode input, and norms that use the batch's statistics.

    A norm of weights alone, as weight standardisation is written, sees no batch.
    """
    found = []
    depending = {value.name for value in model.graph.input} - {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if depending.intersection(node.input) or any(attribute.type == _GRAPH for attribute in node.attribute):
            depending.update(node.output)
        switches = {attribute.name: attribute.i for attribute in node.attribute if attribute.type == _INT}
        told = node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]
        if told or (switches.get("training_mode") and depending.intersection(node.output)):
            found.append(f"{node.op_type} {node.output[0]}")
    return found


def _valid(model: "ModelProto") -> Check:
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker raises several unrelated classes
        return Check.verdict("file", "onnx.checker, full", " ".join(str(error).split()))
    return Check.verdict("file", "onnx.checker, full", None, "It is valid.")


def _versions(model: "ModelProto") -> Check:
    """Check the versions; the IR version must be the lowest for the opset, since older readers reject later ones."""
    from onnx import helper

    domains = {item.domain or "ai.onnx": item.version for item in model.opset_import}
    opset = domains.get("ai.onnx", 0)
    words = f"IR version {model.ir_version}, opset {', '.join(f'{name} {each}' for name, each in domains.items())}"
    problem = None
    if opset not in OPSETS:
        problem = f"lenetx writes opset {OPSETS[0]} to {OPSETS[-1]}, this is {opset}."
    elif model.ir_version != (usual := helper.find_min_ir_version_for(model.opset_import, ignore_unknown=True)):
        problem = f"The IR version is {model.ir_version}; that of opset {opset} is {usual}."
    return Check.verdict("versions", words, problem, "As lenetx writes them.")


def _operators(model: "ModelProto") -> Check:
    random = {node.op_type for node in model.graph.node if node.op_type.startswith(_RANDOM)}
    used = sorted({node.op_type for node in model.graph.node})
    problem = f"They draw random numbers: {', '.join(sorted(random))}." if random else None
    return Check.verdict("operators", f"{len(model.graph.node)} nodes", problem, f"Only {', '.join(used)}.")


def _constants(model: "ModelProto") -> Check:
    """Check that no attribute holds a tensor: only initializers are compared with the checkpoint's weights."""
    problems = []
    for node in model.graph.node:
        hidden = [attribute.name for attribute in node.attribute if attribute.type not in _PLAIN_ATTRIBUTES]
        problems += [f"{node.op_type} holds numbers in its {name}" for name in hidden]
    problem = f"Numbers are kept beside the weights: {'; '.join(problems[:5])}." if problems else None
    subject = f"{len(model.graph.initializer)} initializers"
    return Check.verdict("constants", subject, problem, "There are no other tensors.")


def weights(model: "ModelProto") -> "dict[str, NDArray[np.float32]]":
    """Return the initializers that are weights by name, in the order in which the graph reads them."""
    from onnx import numpy_helper

    read = {name: place for place, name in enumerate(name for node in model.graph.node for name in node.input)}
    named = [tensor for tensor in model.graph.initializer if not tensor.name.startswith(CONSTANT)]
    tensors = sorted(named, key=lambda tensor: read.get(tensor.name, len(read)))
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in tensors}


def constants(model: "ModelProto") -> "dict[str, NDArray[Any]]":
    """Return the constant tensors that are not weights, scalars, sizes, axes or indices, by name."""
    from onnx import numpy_helper

    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.name.startswith(CONSTANT) and not _is_number(tensor) and not _is_shape(model, tensor)
    }


def numbers(model: "ModelProto") -> frozenset[float]:
    """Return the scalar constants that the graph computes with, other than weights."""
    from onnx import numpy_helper

    alone = [tensor for tensor in model.graph.initializer if tensor.name.startswith(CONSTANT) and _is_number(tensor)]
    held = [each.f for node in model.graph.node for each in node.attribute if each.type == _FRACTION]
    return frozenset([*held, *(float(numpy_helper.to_array(tensor).item()) for tensor in alone)])


def _is_number(tensor: "TensorProto") -> bool:
    return tensor.data_type == _FRACTION and not tensor.dims


def _is_shape(model: "ModelProto", tensor: "TensorProto") -> bool:
    """Return whether an int64 tensor is read only as sizes, axes or indices."""
    uses = [
        place in _SHAPES.get(node.op_type, ())
        for node in model.graph.node
        for place, name in enumerate(node.input)
        if name == tensor.name
    ]
    return tensor.data_type == _INT64 and all(uses)


def _axes(model: "ModelProto", spec: ModelSpec) -> Check:
    batch = "batch" if spec.batch == "dynamic" else spec.batch
    axes = spec.frame_shape if spec.raw_input else spec.input_shape
    wanted = [(spec.input_name, [batch, *axes]), (spec.output_name, [batch, len(spec.labels)])]
    wanted += [(PROBABILITIES, [batch, len(spec.labels)])] * spec.probabilities
    found = [
        (value.name, [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim])
        for value in (*model.graph.input, *model.graph.output)
    ]
    problem = f"The spec says {wanted}, the graph has {found}." if found != wanted else None
    detail = "The batch axis is symbolic." if batch == "batch" else f"The batch axis is {batch}."
    return Check.verdict("axes", "inputs and outputs", problem, detail)


def _paths(model: "ModelProto") -> Check:
    return local_paths(_texts(model))


def _texts(message: Any) -> Iterator[bytes]:
    """Yield every string of a protobuf message, without tensor data.

    Searching the raw file would be wrong: the length byte before a string can look like its first character.
    """
    for field, value in message.ListFields():
        single = isinstance(value, str | bytes | int | float) or hasattr(value, "ListFields")
        for item in [value] if single else value:
            if isinstance(item, str):
                yield item.encode()
            elif isinstance(item, bytes) and field.name != "raw_data":
                yield item
            elif hasattr(item, "ListFields"):
                yield from _texts(item)
