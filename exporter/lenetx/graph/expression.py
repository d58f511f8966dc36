"""What a network computes, as an expression over its input, its weights by name, and numbers.

Two expressions that are spelled the same in their canonical form have the same key, however large they are.
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
    "Strange",
    "Unknown",
    "aliased",
    "constant",
    "make",
    "number",
    "of_array",
    "ordered",
    "placed",
    "single",
    "strange",
    "weight",
]

if TYPE_CHECKING:
    from numpy.typing import NDArray

Batch = tuple[int, int, int]
"""Where the axis of the batch stands among the others: it is one axis with those from the first number up to the third,
and has its place before the second."""
FRONT: Batch = (0, 0, 0)
"""Before all other axes, and one with none of them."""

_LONGEST = 100
"""Of what an artifact calls something."""


class Strange(Exception):
    """What an operator does has no canonical form; the message says why, and may be empty where its input has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """One operator applied to other expressions; of two, compare the keys.

    Attributes:
        operator: its canonical name, such as ``linear``; ``?`` and the artifact's own name where it has no form.
        attributes: all that it depends on beside its arguments, by name, numbers as float32 has them.
        arguments: what it reads.
        shape: its axes for one image, without that of the batch; ``None`` where they are not known.
        batch: where the axis of the batch stands; ``None`` where it does not depend on the input. What is computed for
            an image does not depend on it, and so the key does not.
        key: equal for equal expressions only.
    """

    operator: str
    attributes: Mapping[str, Any]
    arguments: tuple["Expression", ...] = field(repr=False)
    shape: tuple[int, ...] | None
    batch: Batch | None
    key: bytes = field(repr=False)

    @property
    def batched(self) -> bool:
        """It depends on the input."""
        return self.batch is not None

    @property
    def axes(self) -> tuple[int, ...]:
        """The shape, which must be known.

        Raises:
            Strange: it is not.
        """
        if self.shape is None:
            raise Strange
        return self.shape

    @property
    def is_strange(self) -> bool:
        """It has no canonical form."""
        return self.operator.startswith("?")


@dataclass(frozen=True, slots=True)
class Unknown:
    """What a network computes, and why that cannot be said.

    Attributes:
        reason: a clause, such as ``softplus has no canonical form``.
        expression: what could be said, or ``None``.
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
    """Make an expression; the axis of its batch stands where that of its arguments does, unless it is given.

    Raises:
        Strange: it stands in different places.
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
        raise Strange("it mixes the images of a batch")
    return found.pop() if found else None


def placed(expression: Expression, batch: Batch | None) -> Expression:
    """Return the same expression with the axis of the batch in another place."""
    return replace(expression, batch=batch if expression.batched else None)


def single(value: float) -> float:
    """Round to float32, as the formats and the engines do."""
    return ctypes.c_float(value).value


def number(value: float) -> Expression:
    """Make a number that stands in the code."""
    return make("number", (), (), value=single(value))


def weight(name: str, shape: Sequence[int]) -> Expression:
    """Make one of the network's tensors, which may have been given another shape."""
    return make("weight", (), tuple(shape), name=name, axes=tuple(shape))


def of_array(array: "NDArray[Any]") -> Expression:
    """Make a tensor that is none of the network's own."""
    digest = hashlib.sha256(array.dtype.str.encode() + array.tobytes())
    return constant(digest.hexdigest(), array.shape)


def constant(digest: str, shape: Sequence[int]) -> Expression:
    """Make a tensor that is none of the network's own, by the digest of its numbers in their order."""
    return make("constant", (), tuple(shape), digest=digest, axes=tuple(shape))


def strange(name: str, reason: str, arguments: Sequence[Expression], output: int = 0) -> Expression:
    """Make what has no canonical form: it equals nothing that a known network computes."""
    batch = FRONT if any(each.batched for each in arguments) else None
    return make(f"?{plain(name)}", arguments, None, batch=batch, reason=plain(reason), output=output)


def plain(text: str) -> str:
    """Return what an artifact says in one line that can be printed."""
    short = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return "".join(letter if letter.isprintable() else "�" for letter in short)


def ordered(expression: Expression) -> Iterator[Expression]:
    """Return an expression and all that it is made of, once each, what is read before what reads it."""
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
