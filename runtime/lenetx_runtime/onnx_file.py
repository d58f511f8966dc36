"""Check an ONNX file and read its spec before an engine opens it.

Source of the field numbers: onnx/onnx.proto of the ONNX project. onnxruntime itself loads most files with a flipped
bit without an error; ``sealing`` says what the digest covers.
"""

from collections.abc import Iterator
from typing import Any

from .errors import ArtifactError
from .graph_checks import UNSUPPORTED, WHOLE, Attribute, Node, Tensor, check, require_text
from .protobuf import Walk
from .sealing import KEY, SEVERAL, Place, filled, only_spec
from .spec import ModelSpec
from .values import LARGEST_JSON

__all__ = ["check_graph", "read_spec", "seal"]

_MODEL_GRAPH, _MODEL_METADATA, _MODEL_FUNCTIONS = 7, 14, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 4, 5, 7
_ATTRIBUTE_NAME, _ATTRIBUTE_INT, _ATTRIBUTE_TEXT, _ATTRIBUTE_TENSOR, _ATTRIBUTE_INTS = 1, 3, 4, 5, 8
_ATTRIBUTE_GRAPHS = {6, 11, 22, 23}
"""Fields of an attribute that hold graphs or sparse tensors."""
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14
_TENSOR_TYPE, _TENSOR_NUMBERS, _TENSOR_NAME, _TENSOR_RAW = 2, 7, 8, 9
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_GRAPH_SIDES = 11, 12
_NAMES = (1,), (2, 1, 2, 1, 2)
"""Places of the names of an input or output and of its dimensions."""
_PLAIN = (b"", b"ai.onnx")

_OTHER_FORMAT = b"ORTM"
"""Magic bytes of ORT files: onnxruntime looks for them first, and would read another graph."""

_ZIP = b"PK\x03\x04"
_EXECUTORCH = b"ET"
_FOREIGN = (
    "It was not made by lenetx: it has no lenetx spec. 'lenetx verify' proves an ONNX file of another program, and "
    "'lenetx adopt' adds what the runtime needs."
)


def read_spec(data: bytes) -> ModelSpec:
    """Read the spec of a sealed ONNX file and check the whole file against its digest.

    Raises:
        ArtifactError: not ONNX, not made by lenetx, damaged, with weights in other files, with unsafe operators, or
            with windows far larger than its input.
    """
    if data.startswith(_ZIP) or data[4:6] == _EXECUTORCH:
        raise ArtifactError(
            "It is an archive or an ExecuTorch program: lenetx_runtime runs ONNX and ORT files, and "
            "lenetx.classifier, of the package lenetx, runs .torchscript, .pt2, .openvino and .pte."
        )
    if data[4:8] == _OTHER_FORMAT:
        raise ArtifactError("It is not an ONNX model: onnxruntime would read it as its own ORT format.")
    walk = Walk()
    if all(field != _MODEL_GRAPH for field, _ in walk.fields(data)):
        raise ArtifactError("It is not an ONNX model.")
    spec = only_spec(data, _specs(walk, data), _FOREIGN)
    check_graph(data, spec, walk)
    return spec


def seal(data: bytes) -> bytes:
    """Return a serialised model with its digest filled in; its spec has ``content_sha256`` written as 64 zeros.

    Raises:
        ValueError: it does not hold exactly one such spec.
    """
    return filled(data, _specs(Walk(), data))


def _specs(walk: Walk, data: bytes) -> Iterator[Place]:
    """Yield (offset in the file, JSON text) of each spec, cut off above ``LARGEST_JSON``."""
    for field, entry in walk.messages(data):
        if field != _MODEL_METADATA:
            continue
        outer = walk.start
        parts = [(part, outer + walk.start, text) for part, text in walk.messages(entry)]
        keys = [text for part, _, text in parts if part == _ENTRY_KEY]
        if KEY not in keys:
            continue
        values = [(start, text) for part, start, text in parts if part == _ENTRY_VALUE] or [(0, memoryview(b""))]
        if len(keys) > 1 or len(values) > 1:  # readers disagree on which counts
            raise ArtifactError(SEVERAL)
        [(start, text)] = values
        yield start, bytes(text[: LARGEST_JSON + 1])


def check_graph(data: bytes, spec: ModelSpec, walk: Walk | None = None, *, any_domain: bool = False) -> None:
    """Check an ONNX file's graph for external data, and for what an engine cannot compute or what would crash it.

    Args:
        data: the file.
        spec: gives the name and the size of its input.
        walk: limits the number of fields that are read; a new one by default.
        any_domain: accept operators that ONNX itself does not define.

    Raises:
        ArtifactError: the graph contains any of these.
    """
    walk = walk or Walk()
    tensors: list[Tensor] = []
    nodes: list[Node] = []
    for field, message in walk.messages(data):
        if field == _MODEL_FUNCTIONS:
            raise ArtifactError(UNSUPPORTED)
        for part, value in walk.messages(message) if field == _MODEL_GRAPH else ():
            if part == _GRAPH_INITIALIZER:
                tensors.append(_tensor(walk, value))
            elif part == _GRAPH_NODE:
                nodes.append(_node(walk, value))
            elif part in _GRAPH_SIDES:
                require_text(name for place in _NAMES for name in walk.at(value, *place))
            elif part == _GRAPH_SPARSE:
                raise ArtifactError(UNSUPPORTED)
    check(nodes, tensors, spec, None if any_domain else _PLAIN)


def _node(walk: Walk, node: memoryview) -> Node:
    fields = [*walk.messages(node)]

    def parts(number: int) -> list[bytes]:
        return [bytes(value) for field, value in fields if field == number]

    strange = [domain for domain in parts(_NODE_DOMAIN) if domain not in _PLAIN]
    return Node(
        (parts(_NODE_OPERATOR) or [b""])[-1],
        (strange or [b""])[0],
        parts(_NODE_INPUT),
        parts(_NODE_OUTPUT),
        [_attribute(walk, value) for field, value in fields if field == _NODE_ATTRIBUTE],
    )


def _attribute(walk: Walk, attribute: memoryview) -> Attribute:
    name, numbers, texts, tensors = b"", list[int](), list[memoryview](), list[Tensor]()
    for field, value in walk.fields(attribute):
        if field in _ATTRIBUTE_GRAPHS:
            raise ArtifactError(UNSUPPORTED)
        if isinstance(value, int):
            numbers += [value] * (field in (_ATTRIBUTE_INT, _ATTRIBUTE_INTS))
        elif field == _ATTRIBUTE_NAME:
            name = bytes(value)
        elif field == _ATTRIBUTE_TENSOR:
            tensors.append(_tensor(walk, value))
        elif field == _ATTRIBUTE_INTS:
            numbers += walk.numbers(value)
        elif field == _ATTRIBUTE_TEXT:
            texts.append(value)
    return Attribute(name, numbers, texts, tensors)


def _tensor(walk: Walk, tensor: memoryview) -> Tensor:
    fields: dict[int, Any] = {}
    for field, value in walk.fields(tensor):
        if field == _TENSOR_EXTERNAL_DATA or (field == _TENSOR_DATA_LOCATION and value):
            raise ArtifactError("It keeps weights in another file, which lenetx never follows.")
        fields[field] = value
    name, kind = (fields.get(number) for number in (_TENSOR_NAME, _TENSOR_TYPE))
    name, kind = name if isinstance(name, memoryview) else b"", kind if isinstance(kind, int) else 0
    raw, listed = (fields.get(number) for number in (_TENSOR_RAW, _TENSOR_NUMBERS))
    if kind not in WHOLE:
        return Tensor(bytes(name), kind)
    numbers = walk.numbers(listed) if isinstance(listed, memoryview) else None
    return Tensor(bytes(name), kind, raw if isinstance(raw, memoryview) else None, numbers)
