"""Check a model in onnxruntime's ORT format, and read its spec, before the engine opens it.

The engine trusts much in such a file: it derives nothing from the names of the values. So the graph here must be one
that onnxruntime writes, and its operators are those of ONNX, or these with an activation fused into them. It is
translated to ONNX for all other checks.

Source of the slots: onnxruntime/core/flatbuffers/schema/ort.fbs; of the field numbers: onnx/onnx.proto.
"""

import struct
from collections.abc import Iterator

from .errors import ArtifactError
from .flatbuffer import Table, root
from .onnx_file import check_graph
from .protobuf import field
from .sealing import KEY, Place, filled, only_spec
from .spec import ModelSpec
from .values import LARGEST_JSON

__all__ = ["ACTIVATIONS", "FUSED", "as_onnx", "is_ort", "read_spec", "seal"]

FUSED = {b"FusedConv": b"Conv", b"FusedGemm": b"Gemm"}
"""Operators of ``_DOMAIN`` with an activation, by what they are without it."""
ACTIVATIONS = (b"Relu", b"Sigmoid", b"Tanh")
_DOMAIN, _ACTIVATION = b"com.microsoft", b"activation"
_FIELDS = {"session": 4, "model": 10, "entry": 2, "opset": 2, "graph": 9, "tensor": 7, "value": 3, "node": 13}
_FIELDS |= {"attribute": 13, "edges": 3, "type": 3, "tensor type": 2, "shape": 1, "axis": 2, "size": 3}
"""Number of fields of each table, in version 6 of the format."""
_WHOLE = (6, 7)
_FOREIGN = (
    "It is an ORT file without a lenetx spec: adopt the ONNX file that it was made from with 'lenetx adopt', or write "
    "another from the weights with 'lenetx export -f ort'."
)
_STRANGE = "Its graph is not one that onnxruntime writes: "


def is_ort(data: bytes) -> bool:
    """Return whether onnxruntime would read these bytes as its own format."""
    return data[4:8] == b"ORTM"


def read_spec(data: bytes) -> ModelSpec:
    """Read the spec of a sealed ORT file and check the whole file against its digest.

    Raises:
        ArtifactError: not made by lenetx, damaged, or with a graph that is not safe to open.
    """
    spec = only_spec(data, _specs(data), _FOREIGN)
    check_graph(as_onnx(data, whole=False), spec)
    return spec


def seal(data: bytes) -> bytes:
    """Return an ORT file with its digest filled in; its spec has ``content_sha256`` written as 64 zeros.

    Raises:
        ValueError: it does not hold exactly one such spec.
    """
    return filled(data, _specs(data))


def _specs(data: bytes) -> Iterator[Place]:
    for entry in _part(root(data, _FIELDS["session"]), 1, "model").tables(9, _FIELDS["entry"]):
        if entry.text(0) == KEY:
            yield entry.span(1)[0], bytes(entry.view(1)[: LARGEST_JSON + 1])


def as_onnx(data: bytes, *, whole: bool = True) -> bytes:
    """Translate an ORT file to an ONNX file: same names and numbers, an activation is a node again.

    Args:
        data: the file.
        whole: copy the weights and the metadata too, which ``check_graph`` does not read.

    Raises:
        ArtifactError: its graph is not one that onnxruntime writes, or holds what lenetx never writes.
    """
    model = _part(root(data, _FIELDS["session"]), 1, "model")
    graph = _part(model, 7, "graph")
    body = [field(1, node) for node in _nodes(graph)] + [field(2, b"lenetx")]
    body += [field(5, _tensor(tensor, whole)) for tensor in graph.tables(0, _FIELDS["tensor"])]
    values = graph.tables(1, _FIELDS["value"])
    types = {each.text(0): each for each in values}
    for slot, number in ((5, 11), (6, 12)):
        if not types.keys() >= set(names := graph.texts(slot)) or not all(each.has(0) for each in values):
            raise ArtifactError(f"{_STRANGE}a value without a name, or its input or output without a type.")
        body += [field(number, field(1, name) + _type(types[name])) for name in names]
    inner = field(7, b"".join(body))
    if not whole:
        return inner
    written = [field(1, model.number(0)), field(2, model.view(2)), field(3, model.view(3)), inner]
    opsets = [each for each in model.tables(1, _FIELDS["opset"]) if each.text(0) != _DOMAIN]
    written += [field(8, field(1, each.view(0)) + field(2, each.number(1))) for each in opsets]
    entries = model.tables(9, _FIELDS["entry"])
    written += [field(14, field(1, entry.view(0)) + field(2, entry.view(1))) for entry in entries]
    return b"".join(written)


def _part(table: Table, slot: int, name: str) -> Table:
    found = table.table(slot, _FIELDS[name])
    if found is None:
        raise ArtifactError("It is not an ORT model.")
    return found


def _nodes(graph: Table) -> Iterator[bytes]:
    """Yield the nodes as ONNX's, after checking what the engine would otherwise trust: numbers, counts and edges."""
    nodes = graph.tables(2, _FIELDS["node"])
    given: dict[bytes, tuple[int, int]] = {}
    entering: list[list[int]] = []
    leaving: list[list[int]] = [[] for _ in nodes]
    for place, node in enumerate(nodes):
        inputs, counts = node.texts(8), node.numbers(11, "i")
        whole = sum(counts) == len(inputs) and min(counts, default=0) >= 0 and not node.span(12)[1]
        if node.number(4, "I") != place or node.number(6, "i") or not whole:
            raise ArtifactError(f"{_STRANGE}the numbers of node {place}.")
        edges = sorted((*given[name], arg) for arg, name in enumerate(inputs) if name in given)
        entering.append([number for edge in edges for number in edge])
        for source, output, arg in edges:
            leaving[source] += [place, output, arg]
        given |= {name: (place, output) for output, name in enumerate(node.texts(9)) if name}
        yield from _node(node, inputs)
    found = [[*each.numbers(1, "iii"), *each.numbers(2, "iii")] for each in graph.tables(4, _FIELDS["edges"])]
    expected = [[*each, *more] for each, more in zip(entering, leaving, strict=True)]
    if graph.number(3, "I") != len(nodes) or found != expected or graph.span(7)[1] or graph.has(8):
        raise ArtifactError(f"{_STRANGE}its edges are not those of its names.")


def _node(node: Table, inputs: list[bytes]) -> Iterator[bytes]:
    operator, domain, outputs = node.text(5), node.text(2), node.texts(9)
    attributes = node.tables(10, _FIELDS["attribute"])
    after = b""
    if domain == _DOMAIN and operator in FUSED:
        found = [each.text(5) for each in attributes if each.text(0) == _ACTIVATION]
        if len(outputs) != 1 or len(found) != 1 or found[0] not in ACTIVATIONS:
            raise ArtifactError(f"{_STRANGE}a fused activation that lenetx never writes.")
        attributes = [each for each in attributes if each.text(0) != _ACTIVATION]
        inner = b"fused:" + outputs[0]
        after = field(1, inner) + field(2, outputs[0]) + field(4, found[0])
        operator, domain, outputs = FUSED[operator], b"", [inner]
    parts = [field(1, name) for name in inputs] + [field(2, name) for name in outputs]
    parts += [field(4, operator), *(field(5, _attribute(each)) for each in attributes)]
    yield b"".join(parts) + (field(7, domain) if domain else b"")
    if after:
        yield after


def _attribute(given: Table) -> bytes:
    kind, name = given.number(2, "i"), given.text(0)
    tensor = given.table(6, _FIELDS["tensor"])
    values = {
        1: lambda: b"\x15" + struct.pack("<f", given.number(3, "f")),
        2: lambda: field(3, given.number(4)),
        3: lambda: field(4, given.view(5)),
        4: lambda: field(5, _tensor(tensor, whole=True)) if tensor else b"",
        6: lambda: b"".join(b"\x3d" + struct.pack("<f", number) for number in given.numbers(8, "f")),
        7: lambda: b"".join(field(8, number) for number in given.numbers(9, "q")),
        8: lambda: b"".join(field(9, text) for text in given.texts(10)),
    }
    if kind not in values:
        raise ArtifactError("It holds a nested graph or a sparse tensor, which lenetx never writes.")
    return field(1, name) + values[kind]() + field(20, kind)


def _tensor(tensor: Table, whole: bool) -> bytes:
    kind = tensor.number(3, "i")
    if tensor.span(5)[1] or tensor.has(6):
        raise ArtifactError("It holds texts as numbers, or keeps weights in another file.")
    raw = field(9, tensor.view(4)) if whole or kind in _WHOLE else b""
    dims = [field(1, size) for size in tensor.numbers(2, "q")] if whole else ()
    return b"".join((*dims, field(2, kind), field(8, tensor.view(0)), raw))


def _type(value: Table) -> bytes:
    """Return the type of an input or output: a tensor with axes."""
    tensor = _part(_part(value, 2, "type"), 2, "tensor type")
    axes = []
    for axis in _part(tensor, 1, "shape").tables(0, _FIELDS["axis"]):
        size = _part(axis, 0, "size")
        axes.append(field(1, field(2, size.view(2)) if size.has(2) else field(1, size.number(1))))
    return field(2, field(1, field(1, tensor.number(0, "i")) + field(2, b"".join(axes))))
