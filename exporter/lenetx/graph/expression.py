"""Represent what a network computes as an expression over its input, its weights by name, and numbers.

Two expressions with the same canonical form have the same key, however large they are.
"""

import ctypes
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

__all__ = [
    "FRONT",
    "Batch",
    "Expression",
    "Unknown",
    "Unsupported",
    "aliased",
    "constant",
    "make",
    "number",
    "of_array",
    "opaque",
    "ordered",
    "placed",
    "single",
    "weight",
]

if TYPE_CHECKING:
    from numpy.typing import NDArray

Batch = tuple[int, int, int]
"""Position of the batch axis among the axes of one image, as (start, middle, end).

The batch axis is merged with the axes from start up to (not including) end, and comes before the axis middle.
"""
FRONT: Batch = (0, 0, 0)
"""The batch axis comes first and is merged with no other."""

_LONGEST = 100
"""Maximum characters kept of a name or string from an artifact."""


class Unsupported(Exception):
    """An operator has no canonical form; the message says why, and is empty if an input already has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """One operator applied to other expressions; compare two expressions by their keys.

    Attributes:
        operator: its canonical name, such as ``linear``; without a canonical form, ``?`` and the artifact's own name.
        attributes: its settings by name, with numbers rounded to float32.
        arguments: its inputs.
        shape: the axes for one image, without the batch axis; ``None`` if they are not known.
        batch: the position of the batch axis; ``None`` if the expression does not depend on the input. It is not part
            of the key, because what is computed for an image does not depend on it.
        key: equal only for equal expressions.
    """

    operator: str
    attributes: Mapping[str, Any]
    arguments: tuple["Expression", ...] = field(repr=False)
    shape: tuple[int, ...] | None
    batch: Batch | None
    key: bytes = field(repr=False)

    @property
    def batched(self) -> bool:
        """Return whether the expression depends on the input."""
        return self.batch is not None

    @property
    def axes(self) -> tuple[int, ...]:
        """Return the shape.

        Raises:
            Unsupported: the shape is not known.
        """
        if self.shape is None:
            raise Unsupported
        return self.shape

    @property
    def is_opaque(self) -> bool:
        """Return whether the operator has no canonical form."""
        return self.operator.startswith("?")


@dataclass(frozen=True, slots=True)
class Unknown:
    """A network that cannot be read completely.

    Attributes:
        reason: why not, as a clause such as ``softplus has no canonical form``.
        expression: what could be read, or ``None``.
    """

    reason: str
    expression: Expression | None = None


_SAME: Any = object()


def make(
    operator: str,
    arguments: Sequence[Expression],
    shape: tuple[int, ...] | None,
    *,
    batch: Batch | None = _SAME,
    **attributes: Any,
) -> Expression:
    """Build an expression.

    Args:
        operator: its canonical name.
        arguments: its inputs.
        shape: the axes for one image, or ``None`` if they are not known.
        batch: the position of the batch axis; by default that of the arguments.
        attributes: its settings.

    Raises:
        Unsupported: the batch axes of the arguments are in different positions.
    """
    if batch is _SAME:
        batch = _common_batch(arguments, shape)
    text = repr((operator, sorted(attributes.items()), len(arguments)))
    key = hashlib.sha256(text.encode(errors="backslashreplace"))
    for argument in arguments:
        key.update(argument.key)
    return Expression(operator, attributes, tuple(arguments), shape, batch, key.digest())


def _common_batch(arguments: Sequence[Expression], shape: tuple[int, ...] | None) -> Batch | None:
    batched = [argument for argument in arguments if argument.batched]
    found = {argument.batch for argument in batched}
    others = found - {FRONT}
    if len(found) > 1 or (others and any(len(each.axes) != len(shape or ()) for each in batched)):
        raise Unsupported("it mixes the images of a batch")
    return found.pop() if found else None


def placed(expression: Expression, batch: Batch | None) -> Expression:
    """Return the same expression with the batch axis in another position."""
    return replace(expression, batch=batch if expression.batched else None)


def single(value: float) -> float:
    """Round to float32, as formats and engines do."""
    return ctypes.c_float(value).value


def number(value: float) -> Expression:
    """Build a number from the network's code."""
    return make("number", (), (), value=single(value))


def weight(name: str, shape: Sequence[int]) -> Expression:
    """Build one of the network's parameters or buffers, possibly reshaped."""
    return make("weight", (), tuple(shape), name=name, axes=tuple(shape))


def of_array(array: "NDArray[Any]", aliases: Mapping[str, str] | None = None) -> Expression:
    """Build a constant, or the parameter or buffer with the same dtype, shape and bits, if there is one."""
    key = key_of_array(array)
    if key in (aliases or {}):
        return weight(aliased(key, aliases), array.shape)
    return constant(key.partition(" ")[0], array.shape)


def key_of_array(array: "NDArray[Any]") -> str:
    """Return the digest of an array's dtype and numbers in their order, and its axes, separated by spaces."""
    digest = hashlib.sha256(array.dtype.str.encode() + array.tobytes())
    return " ".join([digest.hexdigest(), *map(str, array.shape)])


def constant(digest: str, shape: Sequence[int]) -> Expression:
    """Build a constant from the digest of its numbers in their order."""
    return make("constant", (), tuple(shape), digest=digest, axes=tuple(shape))


def opaque(name: str, reason: str, arguments: Sequence[Expression], output: int = 0) -> Expression:
    """Build an opaque expression, for an operator without canonical form; it never equals a known operator."""
    batch = FRONT if any(each.batched for each in arguments) else None
    return make(f"?{plain(name)}", arguments, None, batch=batch, reason=plain(reason), output=output)


def plain(text: str) -> str:
    """Return a string from an artifact as one short, printable line."""
    short = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return "".join(letter if letter.isprintable() else "�" for letter in short)


def ordered(expression: Expression) -> Iterator[Expression]:
    """Yield an expression and all its parts, once each, arguments before the expressions that read them."""
    seen: set[bytes] = set()
    waiting = [(expression, False)]
    while waiting:
        each, is_ready = waiting.pop()
        if is_ready:
            yield each
        elif each.key not in seen:
            seen.add(each.key)
            waiting.append((each, True))
            waiting.extend((argument, False) for argument in reversed(each.arguments))


def aliased(name: str, aliases: Mapping[str, str] | None) -> str:
    """Return the name under which a tensor is compared."""
    return (aliases or {}).get(name, name)
