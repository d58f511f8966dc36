"""Just enough of the ONNX file format to trust a model before an engine opens it.

Source of the field numbers: onnx/onnx.proto of the ONNX project. ``content_sha256`` in the embedded spec is the
SHA-256 of the whole file with those 64 digits themselves written as zeros: it covers the graph, the weights, the
opset and the spec. Digits like them elsewhere in the file count as they are. onnxruntime itself loads most files with a
flipped bit without a word.

The digest finds damage, not ill will: whoever can seal a file can put any graph in it, and no check of a file keeps an
engine from taking the time and memory that a graph asks for. Open models of people whom you would let run a program.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import TypeAlias

from .errors import ArtifactError
from .protobuf import Walk
from .spec import METADATA_KEY, ModelSpec
from .values import LARGEST_JSON

__all__ = ["read_spec", "seal"]

_MODEL_GRAPH, _MODEL_METADATA, _MODEL_FUNCTIONS = 7, 14, 25
_FUNCTION_NODE, _FUNCTION_ATTRIBUTE = 7, 11
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_INPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE = 1, 4, 5
_VARIADIC = {b"Concat", b"Einsum", b"Max", b"Mean", b"Min", b"Sum"}
"""onnxruntime reads memory that is not there where an input of these has no name."""
_ATTRIBUTE_NAME, _ATTRIBUTE_TEXT, _ATTRIBUTE_INTS = 1, 4, 8
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14
_SPARSE_TENSORS = (1, 2)
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_NAMES = tuple((side, *name) for side in (11, 12) for name in ((1,), (2, 1, 2, 1, 2)))
"""Of inputs, outputs and their sizes, which onnxruntime cannot hand over if they are no text."""
_SHOWN = 200
"""Bytes of such a name that an error shows."""
_DEEPEST_GRAPH = 32
_WINDOWS = {b"kernel_shape", b"pads", b"strides", b"dilations", b"output_padding", b"output_shape"}
_EQUATION = b"equation"
_TERM = rb"[^.,>]*(?:\.{3}[^.,>]*)?"
_EQUATIONS = re.compile(_TERM + rb"(?:[,>]" + _TERM + rb")*", re.DOTALL)
"""Of Einsum: on other dots than one "..." for each operand, onnx's own reading of it never ends."""
_MARGIN = 64
"""Pixels that a window may be wider than the network's input, which is padded for it."""

_OTHER_FORMAT = b"ORTM"
"""onnxruntime looks for this first, and then reads another graph than the one that was looked at here."""

_ZIP = b"PK\x03\x04"
_DIGEST_FIELD = b'"content_sha256":"'
_NO_DIGEST = b"0" * 64
_KEY = METADATA_KEY.encode()


class _Kind(Enum):
    TENSOR = auto()
    ATTRIBUTE = auto()
    NODE = auto()


Parts: TypeAlias = Iterator[tuple[_Kind, memoryview]]


def read_spec(data: bytes) -> ModelSpec:
    """Read the spec of a sealed ONNX file and check every bit of the file against it.

    Raises:
        ArtifactError: not ONNX, not made by lenetx, damaged, keeping weights in other files, or with windows that are
            far larger than its input.
    """
    if data.startswith(_ZIP):
        raise ArtifactError(
            "It is an archive, as TorchScript writes them: lenetx_runtime runs ONNX files, and "
            "lenetx.classifier, of the package lenetx, runs TorchScript."
        )
    if data[4:8] == _OTHER_FORMAT:
        raise ArtifactError("It is not an ONNX model: onnxruntime would take it for one of its own format.")
    walk = Walk()
    if all(field != _MODEL_GRAPH for field, _ in walk.fields(data)):
        raise ArtifactError("It is not an ONNX model.")
    start, text = _only_spec(walk, data)
    try:
        spec = ModelSpec.from_json(text.decode("ascii"))
    except UnicodeDecodeError:
        raise ArtifactError("Its lenetx spec is not readable text.") from None
    written = str(spec.content_sha256).encode()
    place = start + text.find(_DIGEST_FIELD + written) + len(_DIGEST_FIELD)
    if text.count(_DIGEST_FIELD + written) != 1 or _digest(data, place) != written:
        raise ArtifactError("It is damaged or was changed after lenetx made it: its digest does not match.")
    _check_graph(walk, data, spec)
    return spec


def seal(data: bytes) -> bytes:
    """Fill in the digest of a serialised model whose spec has ``content_sha256`` written as 64 zeros."""
    empty = _DIGEST_FIELD + _NO_DIGEST
    places = [start + text.find(empty) for start, text in _specs(Walk(), data) if empty in text]
    if len(places) != 1:
        raise ValueError("the file must hold exactly one empty content_sha256")
    place = places[0] + len(_DIGEST_FIELD)
    return data[:place] + _digest(data, place) + data[place + len(_NO_DIGEST) :]


def _digest(data: bytes, place: int) -> bytes:
    import hashlib

    digest, view = hashlib.sha256(), memoryview(data)
    for part in (view[:place], _NO_DIGEST, view[place + len(_NO_DIGEST) :]):
        digest.update(part)
    return digest.hexdigest().encode()


def _specs(walk: Walk, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield where each text of a spec begins in the file, and that text, or a little more than is ever read of it."""
    for field, entry in walk.messages(data):
        if field != _MODEL_METADATA:
            continue
        outer = walk.start
        parts = [(part, outer + walk.start, text) for part, text in walk.messages(entry)]
        keys = [text for part, _, text in parts if part == _ENTRY_KEY]
        if _KEY not in keys:
            continue
        values = [(start, text) for part, start, text in parts if part == _ENTRY_VALUE] or [(0, memoryview(b""))]
        if len(keys) > 1 or len(values) > 1:  # readers take one or the other
            raise ArtifactError("It carries more than one lenetx spec.")
        [(start, text)] = values
        yield start, bytes(text[: LARGEST_JSON + 1])


def _only_spec(walk: Walk, data: bytes) -> tuple[int, bytes]:
    found = None
    for spec in _specs(walk, data):
        if found is not None:
            raise ArtifactError("It carries more than one lenetx spec.")
        found = spec
    if found is None:
        raise ArtifactError("It is not a model that lenetx made: it carries no lenetx spec.")
    return found


def _check_graph(walk: Walk, data: bytes, spec: ModelSpec) -> None:
    """Refuse what an engine would go and read elsewhere, or could neither compute nor survive."""
    for place in _NAMES:
        for name in walk.at(data, _MODEL_GRAPH, *place):
            try:
                str(name, "utf-8")
            except ValueError:
                raise ArtifactError(f"A name in it is not readable text: {bytes(name[:_SHOWN])!r}.") from None
    widest = max(spec.height, spec.width) + _MARGIN
    for kind, part in _model_parts(walk, data):
        if kind is _Kind.TENSOR:
            _refuse_external_data(walk, part)
        elif kind is _Kind.NODE:
            _refuse_missing_input(walk, part)
        else:
            _refuse_wide_window(walk, part, widest)


def _refuse_external_data(walk: Walk, tensor: memoryview) -> None:
    for field, value in walk.fields(tensor):
        if field == _TENSOR_EXTERNAL_DATA or (field == _TENSOR_DATA_LOCATION and value):
            raise ArtifactError("It keeps weights in another file, which lenetx never follows.")


def _refuse_missing_input(walk: Walk, node: memoryview) -> None:
    fields = [*walk.messages(node)]
    operators = [bytes(value) for field, value in fields if field == _NODE_OPERATOR]
    if _VARIADIC.intersection(operators) and any(field == _NODE_INPUT and not value for field, value in fields):
        raise ArtifactError(f"An operator {ascii(operators[-1])[1:]} in it lacks an input.")


def _refuse_wide_window(walk: Walk, attribute: memoryview, widest: int) -> None:
    """Keep onnxruntime from padding without end, and from sizes below zero, on which it aborts the process."""
    name, numbers = b"", []
    for field, value in walk.fields(attribute):
        if field == _ATTRIBUTE_NAME and isinstance(value, memoryview):
            name = bytes(value)
        elif field == _ATTRIBUTE_INTS:
            numbers += [value] if isinstance(value, int) else walk.numbers(value)
    if name == _EQUATION:
        _refuse_endless_equation(walk, attribute)
    if name in _WINDOWS and max(numbers, default=0) > widest:  # a negative number is a very large one here
        raise ArtifactError(f"A layer's {name.decode()} is {max(numbers)}, far beyond the pictures that it takes.")


def _refuse_endless_equation(walk: Walk, attribute: memoryview) -> None:
    for text in walk.at(attribute, _ATTRIBUTE_TEXT):
        if not _EQUATIONS.fullmatch(text):
            raise ArtifactError("An Einsum in it has an equation with other dots than '...', once for each operand.")


def _model_parts(walk: Walk, data: bytes) -> Parts:
    for field, value in walk.messages(data):
        if field == _MODEL_GRAPH:
            yield from _graph_parts(walk, value, 0)
        elif field == _MODEL_FUNCTIONS:
            for inner, part in walk.messages(value):
                if inner == _FUNCTION_NODE:
                    yield from _node_parts(walk, part, 0)
                elif inner == _FUNCTION_ATTRIBUTE:
                    yield from _attribute_parts(walk, part, 0)


def _graph_parts(walk: Walk, graph: memoryview, depth: int) -> Parts:
    if depth > _DEEPEST_GRAPH:
        raise ArtifactError(f"Its graphs are nested more than {_DEEPEST_GRAPH} deep.")
    for field, value in walk.messages(graph):
        if field == _GRAPH_INITIALIZER:
            yield _Kind.TENSOR, value
        elif field == _GRAPH_SPARSE:
            yield from _sparse_parts(walk, value)
        elif field == _GRAPH_NODE:
            yield from _node_parts(walk, value, depth)


def _node_parts(walk: Walk, node: memoryview, depth: int) -> Parts:
    yield _Kind.NODE, node
    for field, attribute in walk.messages(node):
        if field == _NODE_ATTRIBUTE:
            yield from _attribute_parts(walk, attribute, depth)


def _attribute_parts(walk: Walk, attribute: memoryview, depth: int) -> Parts:
    yield _Kind.ATTRIBUTE, attribute
    for field, value in walk.messages(attribute):
        if field in _ATTRIBUTE_TENSORS:
            yield _Kind.TENSOR, value
        elif field in _ATTRIBUTE_SPARSE:
            yield from _sparse_parts(walk, value)
        elif field in _ATTRIBUTE_GRAPHS:
            yield from _graph_parts(walk, value, depth + 1)


def _sparse_parts(walk: Walk, sparse: memoryview) -> Parts:
    return ((_Kind.TENSOR, value) for field, value in walk.messages(sparse) if field in _SPARSE_TENSORS)
