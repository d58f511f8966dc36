"""Check a model in onnxruntime's ORT format, and read its spec, before the engine opens it.

Older versions of the engine trust what such a file says of its own graph, such as its edges, and end the process if it
is wrong. So the graph must be one that onnxruntime writes, of ONNX's operators or of ``FUSED``.

Source of the slots: onnxruntime/core/flatbuffers/schema/ort.fbs.
"""

from collections.abc import Iterator

from . import native_file, onnx_file
from .errors import ArtifactError
from .flatbuffer import Table, root
from .graph_checks import UNSUPPORTED, WHOLE, Attribute, Node, Tensor, check, require_text
from .sealing import KEY, Place, filled, only_spec
from .spec import ModelSpec
from .values import LARGEST_JSON

__all__ = ["FUSED", "is_ort", "read_any_spec", "read_spec", "seal"]

FUSED = {b"FusedConv": b"Conv", b"FusedGemm": b"Gemm"}
"""Operators of ``_DOMAIN`` with an activation, by what they are without it."""
_DOMAIN = b"com.microsoft"
_INT, _TEXT, _TENSOR, _INTS = 2, 3, 4, 7
_KINDS = (1, _INT, _TEXT, _TENSOR, 6, _INTS, 8)
"""Types of attributes, without graphs, sparse tensors and several tensors."""
_FOREIGN = (
    "It is an ORT file without a lenetx spec: adopt the ONNX file that it was made from with 'lenetx adopt', or write "
    "another from the weights with 'lenetx export -f ort'."
)
_STRANGE = "Its graph is not one that onnxruntime writes: "


def is_ort(data: bytes) -> bool:
    """Return whether onnxruntime would read these bytes as its own format."""
    return data[4:8] == b"ORTM"


def read_any_spec(data: bytes) -> ModelSpec:
    """Read and check an ONNX, ORT or native file, as ``read_spec`` of its module; the contents tell which it is."""
    if native_file.is_native(data):
        return native_file.read_spec(data)
    return read_spec(data) if is_ort(data) else onnx_file.read_spec(data)


def read_spec(data: bytes) -> ModelSpec:
    """Read the spec of a sealed ORT file and check the whole file against its digest.

    Raises:
        ArtifactError: not made by lenetx, damaged, or with a graph that is not safe to open.
    """
    spec = only_spec(data, _specs(data), _FOREIGN)
    graph = root(data).table(1).table(7)
    _check_sides(graph)
    tensors = [_tensor(tensor) for tensor in graph.tables(0)]
    check(_nodes(graph), tensors, spec, (b"",))
    return spec


def seal(data: bytes) -> bytes:
    """Return an ORT file with its digest filled in; its spec has ``content_sha256`` written as 64 zeros.

    Raises:
        ValueError: it does not hold exactly one such spec.
    """
    return filled(data, _specs(data))


def _specs(data: bytes) -> Iterator[Place]:
    for entry in root(data).table(1).tables(9):
        if entry.text(0) == KEY:
            yield entry.span(1)[0], bytes(entry.view(1)[: LARGEST_JSON + 1])


def _check_sides(graph: Table) -> None:
    """Check that all values have names, and the inputs and outputs types whose names are text."""
    values = graph.tables(1)
    types = {each.text(0): each for each in values if each.has(0)}
    sides = [*graph.texts(5), *graph.texts(6)]
    if len(types) < len(values) or not types.keys() >= set(sides):
        raise ArtifactError(f"{_STRANGE}a value without a name, or its input or output without a type.")
    for name in sides:
        axes = types[name].table(2).table(2).table(1).tables(0)
        require_text((name, *(axis.table(0).view(2) for axis in axes)))


def _nodes(graph: Table) -> Iterator[Node]:
    """Yield the nodes, after checking what the engine would trust: their numbers, counts of inputs and edges."""
    nodes = graph.tables(2)
    given: dict[bytes, tuple[int, int]] = {}
    entering = list[list[int]]()
    leaving: list[list[int]] = [[] for _ in nodes]
    for place, table in enumerate(nodes):
        node, counts = _node(table), table.numbers(11, "i")
        fits = sum(counts) == len(node.inputs) and min(counts, default=0) >= 0 and not table.span(12)[1]
        if table.number(4, "I") != place or table.number(6, "i") or not fits:
            raise ArtifactError(f"{_STRANGE}the numbers of node {place}.")
        edges = sorted((*given[name], arg) for arg, name in enumerate(node.inputs) if name in given)
        entering.append([number for edge in edges for number in edge])
        for source, output, arg in edges:
            leaving[source] += [place, output, arg]
        given |= {name: (place, output) for output, name in enumerate(node.outputs) if name}
        yield node
    found = [[*each.numbers(1, "iii"), *each.numbers(2, "iii")] for each in graph.tables(4)]
    expected = [[*each, *more] for each, more in zip(entering, leaving, strict=True)]
    if graph.number(3, "I") != len(nodes) or found != expected or graph.span(7)[1] or graph.has(8):
        raise ArtifactError(f"{_STRANGE}its edges are not those of its names.")


def _node(node: Table) -> Node:
    operator, domain = node.text(5), node.text(2)
    if domain == _DOMAIN and operator in FUSED:
        operator, domain = FUSED[operator], b""
    attributes = [_attribute(each) for each in node.tables(10)]
    return Node(operator, domain, node.texts(8), node.texts(9), attributes)


def _attribute(given: Table) -> Attribute:
    kind, name = given.number(2, "i"), given.text(0)
    if kind not in _KINDS:
        raise ArtifactError(UNSUPPORTED)
    if kind in (_INT, _INTS):
        return Attribute(name, [*given.numbers(9, "q")] if kind == _INTS else [given.number(4)])
    texts = (given.view(5),) if kind == _TEXT else ()
    return Attribute(name, [], texts, (_tensor(given.table(6)),) if kind == _TENSOR else ())


def _tensor(tensor: Table) -> Tensor:
    if tensor.span(5)[1] or tensor.has(6):
        raise ArtifactError("It holds texts as numbers, or keeps weights in another file.")
    kind = tensor.number(3, "i")
    return Tensor(tensor.text(0), kind, tensor.view(4) if kind in WHOLE else None)
