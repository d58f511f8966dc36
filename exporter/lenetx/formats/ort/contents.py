"""Read an ORT file into plain values and write these, in one order: onnxruntime orders its tables by random hashes.

Source of the slots: onnxruntime/core/flatbuffers/schema/ort.fbs, version 6 of the format.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError
from lenetx_runtime.flatbuffer import Table, root

if TYPE_CHECKING:
    from flatbuffers import Builder

__all__ = ["Contents", "read", "write"]

Contents = dict[str, Any]
"""The fields of one table that are there, by name."""

_TABLES = {
    "session": "version:text model:model -:0 resolver:resolver",
    "model": "ir_version:q opsets:[opset] producer:text producer_version:text -:text model_version:q -:text graph:graph"
    " -:text metadata:[entry]",
    "opset": "domain:text version:q",
    "entry": "key:text value:text",
    "graph": "initializers:[tensor] values:[value] nodes:[node] max_node_index:I edges:[edges] inputs:[text]"
    " outputs:[text] sparse:[none] -:0",
    "none": "",
    "tensor": "name:text -:text dims:[q] data_type:i raw:raw -:[text] -:0",
    "value": "name:text -:text type:type",
    "type": "-:text kind:B tensor:tensor_type",
    "tensor_type": "elem_type:i shape:shape",
    "shape": "axes:[axis]",
    "axis": "size:size -:text",
    "size": "kind:b number:q name:text",
    "node": "-:text -:text domain:text since_version:i index:I operator:text type:i provider:text inputs:[text]"
    " outputs:[text] attributes:[attribute] counts:[i] implicit:[text]",
    "attribute": "name:text -:text type:i f:f i:q s:text tensor:tensor -:0 floats:[f] ints:[q] strings:[text]"
    " -:[none] -:[none]",
    "edges": "node:I inputs:[iii] outputs:[iii]",
    "resolver": "operators:[operator]",
    "operator": "id:text strings:[string]",
    "string": "name:text args:[arg]",
    "arg": "kind:b index:I",
}
"""The fields of each table by slot, ``name:kind``. What is called ``-`` is not written, and empty where it is read.

Kinds: numbers as ``struct`` names them, ``text``, ``raw`` bytes, a table's name, ``0`` for what must be absent, and
vectors in brackets.
"""
_FIELDS = {table: [tuple(each.split(":")) for each in fields.split()] for table, fields in _TABLES.items()}
_NUMBERS = {"b": "Int8", "B": "Uint8", "i": "Int32", "I": "Uint32", "f": "Float32", "q": "Int64"}
"""Kinds of numbers, and what flatbuffers calls them."""
_SORTED = {"initializers": "name", "values": "name", "attributes": "name", "opsets": "domain", "metadata": "key"}
"""Vectors whose order means nothing, and what they are sorted by."""


def read(data: bytes) -> Contents:
    """Return the contents of an ORT file.

    Raises:
        ArtifactError: it is not an ORT file, or holds what lenetx never writes.
    """
    return _read(root(data), "session")


def _read(table: Table, name: str) -> Contents:
    found: Contents = {}
    for slot, (field, kind) in enumerate(_FIELDS[name]):
        if not table.has(slot):
            continue
        value = _value(table, slot, kind)
        if field == "-":
            if value or kind == "0":
                raise ArtifactError(f"It holds more in a table {name} than lenetx ever writes.")
        elif value or kind not in _NUMBERS:  # the engine tells an empty text or vector from none
            found[field] = value
    return found


def _value(table: Table, slot: int, kind: str) -> Any:
    if kind in _NUMBERS:
        return table.number(slot, kind)
    if kind in _FIELDS:
        return _read(table.table(slot), kind)
    if kind == "0":
        return None
    if kind[0] != "[":
        return bytes(table.view(slot))
    inner = kind.strip("[]")
    if inner in _FIELDS:
        return [_read(each, inner) for each in table.tables(slot)]
    return table.texts(slot) if inner == "text" else [*table.numbers(slot, inner)]


def write(contents: Contents) -> bytes:
    """Return an ORT file with these contents: the same bytes for the same contents in any order."""
    from flatbuffers import Builder

    builder = Builder(1024)
    builder.Finish(_written(builder, contents, "session"), b"ORTM")
    return bytes(builder.Output())


def _written(builder: "Builder", contents: Contents, name: str) -> int:
    """Write a table after all that it refers to, and return its place."""
    fields = _FIELDS[name]
    values = {
        slot: contents[field] if kind in _NUMBERS else _part(builder, contents[field], field, kind)
        for slot, (field, kind) in enumerate(fields)
        if field in contents
    }
    builder.StartObject(len(fields))
    for slot, value in values.items():
        kind = fields[slot][1]
        if kind in _NUMBERS:
            getattr(builder, f"Prepend{_NUMBERS[kind]}Slot")(slot, value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    return int(builder.EndObject())


def _part(builder: "Builder", value: Any, field: str, kind: str) -> int:
    """Write what a field refers to, and return its place."""
    if kind in _FIELDS:
        return _written(builder, value, kind)
    if kind == "text":
        return int(builder.CreateSharedString(value))
    if kind == "raw":
        return int(builder.CreateByteVector(value))
    inner = kind.strip("[]")
    if inner in _FIELDS:
        by = _SORTED.get(field)
        rows = sorted(value, key=lambda row: bytes(row.get(by, b""))) if by else value
        return _vector(builder, "UOffsetTRelative", [_written(builder, row, inner) for row in rows])
    if inner == "text":
        return _vector(builder, "UOffsetTRelative", [builder.CreateSharedString(text) for text in value])
    return _vector(builder, _NUMBERS[inner[0]], value, group=len(inner))


def _vector(builder: "Builder", kind: str, values: Sequence[Any], group: int = 1) -> int:
    """Write a vector of numbers, each ``group`` of which are a struct, or of places."""
    size = 8 if kind == "Int64" else 4
    builder.StartVector(size * group, len(values) // group, size)
    for value in reversed(values):
        getattr(builder, f"Prepend{kind}")(value)
    return int(builder.EndVector())
