"""What can be said of an ONNX file without running it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec

from ..report import Check
from .local_paths import local_paths

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["structure"]

_PLAIN_ATTRIBUTES = (2, 3, 7, 8)
"""Int, text, and lists of them: onnx.AttributeProto's numbers; the others hold fractions, tensors and graphs."""


def structure(model: "ModelProto", spec: ModelSpec) -> tuple[Check, ...]:
    """Ask the file itself: valid, default operators only, the right axes, no path of a machine."""
    return (_valid(model), _operators(model), _constants(model), _axes(model, spec), _paths(model))


def _valid(model: "ModelProto") -> Check:
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker raises several unrelated classes
        return Check.verdict("file", "onnx.checker, full", " ".join(str(error).split()))
    versions = ", ".join(f"{item.domain or 'ai.onnx'} {item.version}" for item in model.opset_import)
    return Check.verdict("file", "onnx.checker, full", None, f"IR version {model.ir_version}, opset {versions}.")


def _operators(model: "ModelProto") -> Check:
    foreign = {f"{node.domain}.{node.op_type}" for node in model.graph.node if node.domain not in ("", "ai.onnx")}
    foreign |= {f"function {function.name}" for function in model.functions}
    used = sorted({node.op_type for node in model.graph.node})
    problem = f"Not in the default domain: {', '.join(sorted(foreign))}." if foreign else None
    return Check.verdict("operators", f"{len(model.graph.node)} nodes", problem, f"Only {', '.join(used)}.")


def _constants(model: "ModelProto") -> Check:
    """The weights that are compared are the initializers, so they must be the numbers that the graph computes with."""
    graph = model.graph
    read = {name for node in graph.node for name in node.input}
    problems = [f"no node reads {tensor.name}" for tensor in graph.initializer if tensor.name not in read]
    problems += [f"{tensor.values.name} is sparse" for tensor in graph.sparse_initializer]
    for node in graph.node:
        hidden = [attribute.name for attribute in node.attribute if attribute.type not in _PLAIN_ATTRIBUTES]
        problems += [f"{node.op_type} holds numbers or a graph in its {name}" for name in hidden]
        if node.op_type == "Constant":
            problems.append(f"there is a constant {node.output[0]}")
    problem = f"Numbers are kept beside the weights: {'; '.join(problems[:5])}." if problems else None
    subject = f"{len(graph.initializer)} initializers"
    return Check.verdict("constants", subject, problem, "Each is read, and there are no other numbers.")


def _axes(model: "ModelProto", spec: ModelSpec) -> Check:
    batch = "batch" if spec.batch == "dynamic" else spec.batch
    wanted = [(spec.input_name, [batch, *spec.input_shape]), (spec.output_name, [batch, len(spec.labels)])]
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
    """Give every text of a protobuf message by itself: in the file, what stands before one looks like its first letter.

    The numbers of tensors are left out.
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
