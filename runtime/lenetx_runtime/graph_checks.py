"""Check a graph, of either format, for what an engine cannot compute or what would crash it."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from .errors import ArtifactError
from .spec import ModelSpec

__all__ = ["OTHERS", "UNSUPPORTED", "WHOLE", "Attribute", "Node", "Tensor", "check", "require_text"]

Bytes = bytes | memoryview

UNSUPPORTED = "It holds a function, a nested graph or a sparse tensor, which lenetx never writes."
WHOLE = {6: "<i4", 7: "<i8"}
"""Tensor types int32 and int64, with numpy's names."""
OTHERS = frozenset(
    b"ArgMax ArgMin Bernoulli BitCast CastLike Constant ConstantOfShape ConvInteger EyeLike MatMulInteger Multinomial "
    b"NonMaxSuppression NonZero OneHot SequenceLength Shape Size Where".split()
)
"""Operators whose first output may be int32 or int64 although their first input is not; Cast's is its attribute."""
_VARIADIC = {b"Concat", b"Einsum", b"Max", b"Mean", b"Min", b"Sum"}
"""onnxruntime reads invalid memory if an input of these has no name."""
_UNSAFE = {b"STFT"}
"""Operators that may end the process: STFT divides by its length, even if that is 0."""
_SHOWN = 200
"""Maximum bytes of a name in an error."""
_WINDOWS = {b"kernel_shape", b"pads", b"strides", b"dilations", b"output_padding", b"output_shape"}
_STEPS = {b"strides", b"dilations"}
_EQUATION = b"equation"
_TERM = rb"[^.,>]*(?:\.{3}[^.,>]*)?"
_EQUATIONS = re.compile(_TERM + rb"(?:[,>]" + _TERM + rb")*", re.DOTALL)
"""Equations of Einsum that are accepted; on others, such as stray dots, onnx's parser may never end."""
_MARGIN = 64
"""Pixels by which a window may exceed the input without its padding."""


class Tensor(NamedTuple):
    """A tensor: its type as ONNX numbers it, and its numbers if that is in ``WHOLE``: their bytes, or a list."""

    name: bytes
    kind: int
    raw: Bytes | None = None
    listed: list[int] | None = None


class Attribute(NamedTuple):
    """An attribute: its whole numbers, negative ones as they are or as their two's complement, texts and tensors."""

    name: bytes
    numbers: list[int]
    texts: Iterable[Bytes] = ()
    tensors: Iterable[Tensor] = ()


class Node(NamedTuple):
    """A node: its operator, its domain, the names of its inputs and outputs, and its attributes."""

    operator: bytes
    domain: bytes
    inputs: list[bytes]
    outputs: list[bytes]
    attributes: list[Attribute]


def check(nodes: Iterable[Node], tensors: list[Tensor], spec: ModelSpec, domains: Iterable[bytes] | None) -> None:
    """Check a graph.

    Args:
        nodes: in the order in which they are computed.
        tensors: its constants.
        spec: gives the name and the size of its input.
        domains: of the operators that are accepted; ``None`` for all.

    Raises:
        ArtifactError: the graph contains any of these.
    """
    widest = max(spec.height, spec.width) + _MARGIN
    nodes = [*nodes]
    for node in nodes:
        if (domains is not None and node.domain not in domains) or node.operator in _UNSAFE:
            raise ArtifactError(f"An operator {ascii(node.operator)[1:]} in it is not one that lenetx runs.")
        if node.operator in _VARIADIC and not all(node.inputs):
            raise ArtifactError(f"An operator {ascii(node.operator)[1:]} in it lacks an input.")
        for attribute in node.attributes:
            _check_attribute(attribute, widest)
    _reject_divisions(spec.input_name.encode(), tensors, nodes)


def require_text(names: Iterable[Bytes]) -> None:
    """Check the names of inputs, outputs and dimensions: onnxruntime can return only UTF-8."""
    for name in names:
        try:
            str(name, "utf-8")
        except ValueError:
            raise ArtifactError(f"A name in it is not readable text: {bytes(name[:_SHOWN])!r}.") from None


def _check_attribute(attribute: Attribute, widest: int) -> None:
    """Raise for endless padding, and for sizes below 0: onnxruntime aborts the process."""
    name, numbers = attribute.name, attribute.numbers
    if name == _EQUATION and not all(map(_EQUATIONS.fullmatch, attribute.texts)):
        raise ArtifactError("An Einsum in it has an equation with other dots than '...', once for each operand.")
    if name in _STEPS and 0 in numbers:  # older versions of onnxruntime divide by it
        raise ArtifactError(f"A layer's {name.decode()} is 0.")
    if name in _WINDOWS and any(not 0 <= number <= widest for number in numbers):
        most = max(number % 2**64 for number in numbers)  # negative numbers are read as large ones
        raise ArtifactError(f"A layer's {name.decode()} is {most}, far beyond the pictures that it takes.")


def _reject_divisions(image: bytes, tensors: list[Tensor], nodes: list[Node]) -> None:
    """Raise unless int32 and int64 are divided by constants above 0: lowest / -1 ends the process."""
    held = {tensor.name: tensor for tensor in tensors}
    if len(held) < len(tensors):
        raise ArtifactError("Two of its tensors have one name.")
    safe = {image, *(name for name, tensor in held.items() if tensor.kind not in WHOLE)}
    for operator, _, inputs, outputs, attributes in nodes:
        if operator == b"Constant":
            held.update(zip(outputs, (tensor for each in attributes for tensor in each.tensors), strict=False))
        divisor = (inputs[1:2] or [b""])[0]
        if operator in (b"Div", b"Mod") and safe.isdisjoint(inputs[:2]) and not _is_above_zero(held.get(divisor)):
            raise ArtifactError(f"It divides whole numbers by {ascii(divisor)[1:]}, which may be -1 or 0.")
        if operator == b"Cast":
            is_safe = not any(WHOLE.keys() & {*each.numbers} for each in attributes)
        else:
            is_safe = operator not in OTHERS and not safe.isdisjoint(inputs[:1])
        if is_safe:
            safe.update(filter(None, outputs if operator == b"Split" else outputs[:1]))


def _is_above_zero(tensor: Tensor | None) -> bool:
    import numpy as np

    if tensor is None or tensor.kind not in WHOLE:
        return False
    if tensor.raw is not None:
        kind = np.dtype(WHOLE[tensor.kind])
        return len(tensor.raw) % kind.itemsize == 0 and bool((np.frombuffer(tensor.raw, kind) > 0).all())
    return tensor.listed is not None and all(0 < number < 2**63 for number in tensor.listed)
