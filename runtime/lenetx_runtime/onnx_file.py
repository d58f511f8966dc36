"""Just enough of the ONNX file format to trust a model before an engine opens it.

Source of the field numbers: onnx/onnx.proto of the ONNX project. ``content_sha256`` in the embedded spec is the
SHA-256 of the whole file with those 64 digits themselves written as zeros: it covers the graph, the weights, the
opset and the spec. onnxruntime itself loads most files with a flipped bit without a word.
"""

from collections.abc import Iterator

from .errors import ArtifactError
from .spec import METADATA_KEY, ModelSpec

__all__ = ["read_spec", "seal"]

_MODEL_GRAPH, _MODEL_METADATA, _MODEL_FUNCTIONS = 7, 14, 25
_FUNCTION_NODE, _FUNCTION_ATTRIBUTE = 7, 11
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_ATTRIBUTE = 5
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14
_SPARSE_TENSORS = (1, 2)
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_DEEPEST_GRAPH = 32

_ZIP = b"PK\x03\x04"
_DIGEST_FIELD = b'"content_sha256":"'
_NO_DIGEST = b"0" * 64


def read_spec(data: bytes) -> ModelSpec:
    """Read the spec of a sealed ONNX file and check every bit of the file against it.

    Raises:
        ArtifactError: not ONNX, not made by lenetx, damaged, or keeping weights in other files.
    """
    if data.startswith(_ZIP):
        raise ArtifactError(
            "It is an archive, as TorchScript writes them: lenetx_runtime runs ONNX files, and "
            "lenetx.classifier, of the package lenetx, runs TorchScript."
        )
    text = _spec_text(data)
    if text is None:
        raise ArtifactError("It is not a model that lenetx made: it carries no lenetx spec.")
    spec = ModelSpec.from_json(text)
    if spec.content_sha256 is None or _digest(data, spec.content_sha256.encode()) != spec.content_sha256:
        raise ArtifactError("It is damaged or was changed after lenetx made it: its digest does not match.")
    _refuse_external_data(data)
    return spec


def seal(data: bytes) -> bytes:
    """Fill in the digest of a serialised model whose spec has ``content_sha256`` written as 64 zeros."""
    field = _DIGEST_FIELD + _NO_DIGEST
    if data.count(field) != 1:
        raise ValueError("the file must hold exactly one empty content_sha256")
    digest = _digest(data, _NO_DIGEST)
    return data.replace(field, _DIGEST_FIELD + digest.encode())


def _digest(data: bytes, written: bytes) -> str:
    import hashlib

    return hashlib.sha256(data.replace(_DIGEST_FIELD + written, _DIGEST_FIELD + _NO_DIGEST)).hexdigest()


def _spec_text(data: bytes) -> str | None:
    graphs, texts = 0, []
    for field, value in _fields(data):
        graphs += field == _MODEL_GRAPH
        if field == _MODEL_METADATA and isinstance(value, bytes):
            entry = dict(_fields(value))
            if entry.get(_ENTRY_KEY) == METADATA_KEY.encode():
                texts.append(entry.get(_ENTRY_VALUE))
    if not graphs:
        raise ArtifactError("It is not an ONNX model.")
    if len(texts) > 1:
        raise ArtifactError("It carries more than one lenetx spec.")
    if not texts:
        return None
    try:
        return bytes(texts[0]).decode()  # type: ignore[arg-type]  # a number here is a damaged file
    except (TypeError, ValueError):
        raise ArtifactError("Its lenetx spec is not readable text.") from None


def _refuse_external_data(data: bytes) -> None:
    for tensor in _model_tensors(data):
        for field, value in _fields(tensor):
            if field == _TENSOR_EXTERNAL_DATA or (field == _TENSOR_DATA_LOCATION and value):
                raise ArtifactError("It keeps weights in another file, which lenetx never follows.")


def _model_tensors(data: bytes) -> Iterator[bytes]:
    for field, value in _messages(data):
        if field == _MODEL_GRAPH:
            yield from _graph_tensors(value, 0)
        elif field == _MODEL_FUNCTIONS:
            for inner, part in _messages(value):
                if inner == _FUNCTION_NODE:
                    yield from _node_tensors(part, 0)
                elif inner == _FUNCTION_ATTRIBUTE:
                    yield from _attribute_tensors(part, 0)


def _graph_tensors(graph: bytes, depth: int) -> Iterator[bytes]:
    if depth > _DEEPEST_GRAPH:
        raise ArtifactError(f"Its graphs are nested more than {_DEEPEST_GRAPH} deep.")
    for field, value in _messages(graph):
        if field == _GRAPH_INITIALIZER:
            yield value
        elif field == _GRAPH_SPARSE:
            yield from _sparse_tensors(value)
        elif field == _GRAPH_NODE:
            yield from _node_tensors(value, depth)


def _node_tensors(node: bytes, depth: int) -> Iterator[bytes]:
    for field, attribute in _messages(node):
        if field == _NODE_ATTRIBUTE:
            yield from _attribute_tensors(attribute, depth)


def _attribute_tensors(attribute: bytes, depth: int) -> Iterator[bytes]:
    for field, value in _messages(attribute):
        if field in _ATTRIBUTE_TENSORS:
            yield value
        elif field in _ATTRIBUTE_SPARSE:
            yield from _sparse_tensors(value)
        elif field in _ATTRIBUTE_GRAPHS:
            yield from _graph_tensors(value, depth + 1)


def _sparse_tensors(sparse: bytes) -> Iterator[bytes]:
    return (value for field, value in _messages(sparse) if field in _SPARSE_TENSORS)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    return ((field, value) for field, value in _fields(data) if isinstance(value, bytes))


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Walk the (field number, value) pairs of one protobuf message; sizes are checked before anything is cut."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        if key >> 32:  # readers drop these bits, so that a field could hide behind them
            raise ArtifactError("It is not an ONNX model, or it is damaged.")
        field, wire = key >> 3, key & 7
        if wire == 0:
            number, position = _varint(data, position)
            yield field, number
            continue
        if wire == 2:
            size, position = _varint(data, position)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ArtifactError("It is not an ONNX model, or it is damaged.")
        if position + size > len(data):
            raise ArtifactError("It is not an ONNX model, or it is cut off.")
        yield field, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ArtifactError("It is not an ONNX model, or it is cut off.")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ArtifactError("It is not an ONNX model, or it is damaged.")
