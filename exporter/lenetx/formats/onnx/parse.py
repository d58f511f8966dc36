"""Parse an ONNX file; reject anything outside the plain subset that lenetx writes, before an engine sees it.

An engine also runs nodes that nothing reads, and interprets fields and encodings that a checker may ignore. So the file
must equal its own re-serialization byte for byte, hold only known fields, have no node or tensor that does not lead to
the output, and give every value exactly one unique name.
"""

import math
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError

from ...graph.expression import plain
from .nodes import Schemas

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

__all__ = ["parse"]

_FIELDS = {
    "ModelProto": {
        *("ir_version", "opset_import", "producer_name", "producer_version", "domain", "model_version", "doc_string"),
        *("graph", "metadata_props"),
    },
    "GraphProto": {"node", "name", "initializer", "input", "output", "doc_string"},
    "NodeProto": {"input", "output", "name", "op_type", "domain", "attribute", "doc_string"},
    "AttributeProto": {"name", "type", "f", "i", "s", "t", "ints", "floats", "strings", "doc_string"},
    "TensorProto": {"dims", "data_type", "name", "raw_data", "float_data", "int64_data", "doc_string"},
    "ValueInfoProto": {"name", "type", "doc_string"},
    "TypeProto": {"tensor_type"},
    "Tensor": {"elem_type", "shape"},
    "TensorShapeProto": {"dim"},
    "Dimension": {"dim_value", "dim_param"},
    "StringStringEntryProto": {"key", "value"},
    "OperatorSetIdProto": {"domain", "version"},
}
"""The fields accepted in each kind of message: those that lenetx writes, and strings that engines ignore."""
_VALUES = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}
"""The field that holds an attribute's value, by attribute type."""
_SIZES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8}
"""Bytes per element, by tensor data type."""
_TYPED = {"float_data": 1, "int64_data": 7}
_OPTIONAL_RESULTS = ("Split", "TopK")
"""Operators that must name all outputs, even unread ones."""


def parse(data: bytes) -> "ModelProto":
    """Parse and check an ONNX model.

    Raises:
        ArtifactError: the file is not an ONNX model, or it holds something that lenetx never writes.
    """
    import onnx

    try:
        model = onnx.load_from_string(data)
        written = model.SerializeToString(deterministic=True)
    except Exception:  # protobuf raises several classes for truncated, too deeply nested or mistyped fields
        raise ArtifactError("It is not an ONNX model, or it is nested too deeply.") from None
    _require_known(model)
    if written != data:
        raise ArtifactError("It was not written by lenetx: lenetx serialises the same model differently.")
    for tensor in model.graph.initializer:
        _require_whole(tensor)
    _require_nodes(model)
    return model


def _require_known(message: Any) -> None:
    """Reject unknown fields and invalid text."""
    from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-untyped]

    waiting = [message]
    while waiting:
        each = waiting.pop()
        kind = each.DESCRIPTOR.name
        if len(UnknownFieldSet(each)):
            raise ArtifactError(f"It holds a field of {kind} that this version of onnx does not know.")
        for field, value in each.ListFields():
            if field.name not in _FIELDS.get(kind, ()):
                raise ArtifactError(f"It holds {field.name} in {kind}, which lenetx never writes.")
            values = [value] if hasattr(value, "ListFields") or isinstance(value, str | bytes | int | float) else value
            if field.message_type is not None:
                waiting.extend(values)
            elif field.type == field.TYPE_STRING and not all(isinstance(text, str) for text in values):
                raise ArtifactError(f"A {field.name} in {kind} is not readable text: {next(map(bytes, values))!r}.")
        if kind == "AttributeProto":
            _require_one_value(each)


def _require_one_value(attribute: Any) -> None:
    found = {field.name for field, _ in attribute.ListFields()} - {"name", "type", "doc_string"}
    if attribute.type not in _VALUES or found - {_VALUES[attribute.type]}:
        raise ArtifactError(f"The attribute {plain(attribute.name)} is a graph, or of a kind that lenetx never writes.")


def _require_whole(tensor: "TensorProto") -> None:
    """Reject a tensor whose data does not match its shape and type."""
    count = math.prod(tensor.dims)
    held = [name for name in ("raw_data", *_TYPED) if len(getattr(tensor, name))]
    fits = tensor.data_type in _SIZES and min(tensor.dims, default=1) >= 0 and len(held) <= 1
    if fits and tensor.raw_data:
        fits = len(tensor.raw_data) == count * _SIZES[tensor.data_type]
    elif fits:
        fits = sum(len(getattr(tensor, name)) for name in held) == count
        fits = fits and all(tensor.data_type == _TYPED[name] for name in held)
    if not fits:
        raise ArtifactError(f"The tensor {plain(tensor.name)} has data that does not match its shape.")


def _require_nodes(model: "ModelProto") -> None:
    graph, schemas = model.graph, Schemas(model)
    known: set[str] = set()

    def define(name: str, what: str) -> None:
        if not name or name in known:
            raise ArtifactError(f"Two values have one name, or one has none: {plain(name) or what}.")
        known.add(name)

    for value in (*graph.input, *graph.initializer):
        define(value.name, "an input or a tensor")
    for node in graph.node:
        schemas.require(node)
        if missing := [name for name in node.input if name and name not in known]:
            raise ArtifactError(f"{plain(node.op_type)} reads {plain(missing[0])}, which no earlier node produces.")
        for name in filter(None, node.output):
            define(name, node.op_type)
    _require_read(graph)


def _require_read(graph: "GraphProto") -> None:
    """Reject nodes and tensors that do not lead to the output: an engine would run them, and no check would see it."""
    read = {value.name for value in graph.output}
    for node in reversed(graph.node):
        unread = [name for name in node.output if name and name not in read]
        if len(unread) == len([name for name in node.output if name]):
            names = plain(", ".join(node.output))
            raise ArtifactError(
                f"No node reads the output of {plain(node.op_type)} ({names}): it would run without effect."
            )
        if unread and node.op_type not in _OPTIONAL_RESULTS:
            raise ArtifactError(
                f"No node reads {plain(unread[0])}, which {plain(node.op_type)} returns besides the rest."
            )
        read.update(node.input)
    for what, values in (("tensor", graph.initializer), ("input", graph.input)):
        for value in values:
            if value.name not in read:
                raise ArtifactError(f"No node reads the {what} {plain(value.name)}.")
