"""Check an ONNX file and read its spec before an engine opens it.

Source of the field numbers: onnx/onnx.proto of the ONNX project. onnxruntime itself loads most files with a flipped
bit without an error; ``sealing`` says what the digest covers.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from .errors import ArtifactError
from .protobuf import Walk
from .sealing import KEY, SEVERAL, Place, filled, only_spec
from .spec import ModelSpec
from .values import LARGEST_JSON

__all__ = ["OTHERS", "check_graph", "read_spec", "seal"]

_MODEL_GRAPH, _MODEL_METADATA, _MODEL_FUNCTIONS = 7, 14, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_INPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 4, 5, 7
_NODE_PARTS = 1, 2, 5
_VARIADIC = {b"Concat", b"Einsum", b"Max", b"Mean", b"Min", b"Sum"}
"""onnxruntime reads invalid memory if an input of these has no name."""
_UNSAFE = {b"STFT"}
"""Operators that may end the process: STFT divides by its length, even if that is 0."""
_ATTRIBUTE_NAME, _ATTRIBUTE_TEXT, _ATTRIBUTE_TENSOR, _ATTRIBUTE_INTS = 1, 4, 5, 8
_ATTRIBUTE_GRAPHS = {6, 11, 22, 23}
"""Fields of an attribute that hold graphs or sparse tensors."""
_UNSUPPORTED = "It holds a function, a nested graph or a sparse tensor, which lenetx never writes."
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14
_TENSOR_TYPE, _TENSOR_NUMBERS, _TENSOR_NAME, _TENSOR_RAW = 2, 7, 8, 9
_WHOLE = {6: "<i4", 7: "<i8"}
"""Tensor types int32 and int64, with numpy's names."""
OTHERS = frozenset(
    b"ArgMax ArgMin Bernoulli BitCast CastLike Constant ConstantOfShape ConvInteger EyeLike MatMulInteger Multinomial "
    b"NonMaxSuppression NonZero OneHot SequenceLength Shape Size Where".split()
)
"""Operators whose first output may be int32 or int64 although their first input is not; Cast's is its attribute."""
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_GRAPH_SIDES = 11, 12
_NAMES = (1,), (2, 1, 2, 1, 2)
"""Names of an input or output and of its dimensions: onnxruntime can return only UTF-8."""
_SHOWN = 200
"""Maximum bytes of such a name in an error."""
_WINDOWS = {b"kernel_shape", b"pads", b"strides", b"dilations", b"output_padding", b"output_shape"}
_STEPS = {b"strides", b"dilations"}
_EQUATION = b"equation"
_TERM = rb"[^.,>]*(?:\.{3}[^.,>]*)?"
_EQUATIONS = re.compile(_TERM + rb"(?:[,>]" + _TERM + rb")*", re.DOTALL)
"""Equations of Einsum that are accepted; on others, such as stray dots, onnx's parser may never end."""
_MARGIN = 64
"""Pixels by which a window may exceed the input without its padding."""

_OTHER_FORMAT = b"ORTM"
"""Magic bytes of ORT files: onnxruntime looks for them first, and would read another graph."""

_ZIP = b"PK\x03\x04"
_FOREIGN = (
    "It was not made by lenetx: it has no lenetx spec. 'lenetx verify' proves an ONNX file of another program, and "
    "'lenetx adopt' adds what the runtime needs."
)

_Fields: TypeAlias = list[tuple[int, Any]]
"""Pairs of a field number and a value."""


def read_spec(data: bytes) -> ModelSpec:
    """Read the spec of a sealed ONNX file and check the whole file against its digest.

    Raises:
        ArtifactError: not ONNX, not made by lenetx, damaged, with weights in other files, with unsafe operators, or
            with windows far larger than its input.
    """
    if data.startswith(_ZIP):
        raise ArtifactError(
            "It is an archive, as TorchScript writes them: lenetx_runtime runs ONNX files, and "
            "lenetx.classifier, of the package lenetx, runs TorchScript."
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
    widest = max(spec.height, spec.width) + _MARGIN
    tensors: list[_Fields] = []
    nodes: list[tuple[bytes, _Fields]] = []
    for field, message in walk.messages(data):
        if field == _MODEL_FUNCTIONS:
            raise ArtifactError(_UNSUPPORTED)
        for part, value in walk.messages(message) if field == _MODEL_GRAPH else ():
            if part == _GRAPH_INITIALIZER:
                tensors.append([*walk.fields(value)])
                _reject_external_data(tensors[-1])
            elif part == _GRAPH_NODE:
                fields = [*walk.messages(value)]
                operator = next((bytes(text) for name, text in reversed(fields) if name == _NODE_OPERATOR), b"")
                _check_node(walk, operator, fields, widest, any_domain=any_domain)
                nodes.append((operator, fields))
            elif part in _GRAPH_SIDES:
                _require_text(walk, value)
            elif part == _GRAPH_SPARSE:
                raise ArtifactError(_UNSUPPORTED)
    _reject_divisions(walk, spec.input_name.encode(), tensors, nodes)


def _require_text(walk: Walk, side: memoryview) -> None:
    for name in (name for place in _NAMES for name in walk.at(side, *place)):
        try:
            str(name, "utf-8")
        except ValueError:
            raise ArtifactError(f"A name in it is not readable text: {bytes(name[:_SHOWN])!r}.") from None


def _reject_external_data(tensor: Iterable[tuple[int, Any]]) -> None:
    for field, value in tensor:
        if field == _TENSOR_EXTERNAL_DATA or (field == _TENSOR_DATA_LOCATION and value):
            raise ArtifactError("It keeps weights in another file, which lenetx never follows.")


def _check_node(walk: Walk, operator: bytes, fields: _Fields, widest: int, *, any_domain: bool) -> None:
    for field, value in fields:
        is_strange = field == _NODE_DOMAIN and bytes(value) not in (b"", b"ai.onnx") and not any_domain
        if is_strange or operator in _UNSAFE:
            raise ArtifactError(f"An operator {ascii(operator)[1:]} in it is not one that lenetx runs.")
        if field == _NODE_INPUT and not value and operator in _VARIADIC:
            raise ArtifactError(f"An operator {ascii(operator)[1:]} in it lacks an input.")
        if field == _NODE_ATTRIBUTE:
            _reject_wide_window(walk, value, widest)


def _reject_wide_window(walk: Walk, attribute: memoryview, widest: int) -> None:
    """Raise for endless padding, and for sizes below 0: onnxruntime aborts the process."""
    name, numbers = b"", []
    for field, value in walk.fields(attribute):
        if field == _ATTRIBUTE_NAME and isinstance(value, memoryview):
            name = bytes(value)
        elif field in _ATTRIBUTE_GRAPHS:
            raise ArtifactError(_UNSUPPORTED)
        elif field == _ATTRIBUTE_TENSOR and isinstance(value, memoryview):
            _reject_external_data(walk.fields(value))
        elif field == _ATTRIBUTE_INTS:
            numbers += [value] if isinstance(value, int) else walk.numbers(value)
    if name == _EQUATION:
        _reject_endless_equation(walk, attribute)
    if name in _STEPS and 0 in numbers:  # older versions of onnxruntime divide by it
        raise ArtifactError(f"A layer's {name.decode()} is 0.")
    if name in _WINDOWS and max(numbers, default=0) > widest:  # negative numbers are read as large ones
        raise ArtifactError(f"A layer's {name.decode()} is {max(numbers)}, far beyond the pictures that it takes.")


def _reject_endless_equation(walk: Walk, attribute: memoryview) -> None:
    for text in walk.at(attribute, _ATTRIBUTE_TEXT):
        if not _EQUATIONS.fullmatch(text):
            raise ArtifactError("An Einsum in it has an equation with other dots than '...', once for each operand.")


def _reject_divisions(walk: Walk, image: bytes, tensors: list[_Fields], nodes: list[tuple[bytes, _Fields]]) -> None:
    """Raise unless int32 and int64 are divided by constants above 0: lowest / -1 ends the process."""
    held = {dict(tensor).get(_TENSOR_NAME, b""): dict(tensor) for tensor in tensors}
    if len(held) < len(tensors):
        raise ArtifactError("Two of its tensors have one name.")
    safe = {image, *(name for name, tensor in held.items() if tensor.get(_TENSOR_TYPE) not in _WHOLE)}
    for operator, fields in nodes:
        inputs, outputs, attributes = ([value for field, value in fields if field == part] for part in _NODE_PARTS)
        if operator == b"Constant":
            held.update(zip(outputs, map(dict, _tensors_of(walk, attributes)), strict=False))
        divisor = (inputs or [b""])[-1]
        if operator in (b"Div", b"Mod") and safe.isdisjoint(inputs) and not _is_above_zero(walk, held.get(divisor, {})):
            raise ArtifactError(f"It divides whole numbers by {ascii(bytes(divisor))[1:]}, which may be -1 or 0.")
        if operator == b"Cast":
            is_safe = not any(_WHOLE.keys() & {value for _, value in walk.fields(each)} for each in attributes)
        else:
            is_safe = operator not in OTHERS and not safe.isdisjoint(inputs[:1])
        if is_safe:
            safe.update(outputs if operator == b"Split" else outputs[:1])


def _tensors_of(walk: Walk, attributes: Iterable[memoryview]) -> Iterator[_Fields]:
    """Yield the fields of the tensors that attributes hold."""
    for attribute in attributes:
        for tensor in walk.at(attribute, _ATTRIBUTE_TENSOR):
            yield [*walk.fields(tensor)]


def _is_above_zero(walk: Walk, tensor: dict[int, Any]) -> bool:
    import numpy as np

    kind, raw, listed = (tensor.get(field) for field in (_TENSOR_TYPE, _TENSOR_RAW, _TENSOR_NUMBERS))
    if isinstance(kind, int) and isinstance(raw, memoryview):
        return len(raw) % np.dtype(_WHOLE[kind]).itemsize == 0 and bool((np.frombuffer(raw, _WHOLE[kind]) > 0).all())
    return isinstance(listed, memoryview) and all(0 < number < 2**63 for number in walk.numbers(listed))
