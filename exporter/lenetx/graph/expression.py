"""What a network computes, as an expression over its input, its weights by name, and numbers.

Two expressions that are spelled the same in their canonical form have the same key, however large they are.
"""

import ctypes
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Expression", "Strange", "Unknown", "aliased", "make", "number", "ordered", "single", "strange", "weight"]

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
        shape: its axes, without that of the batch; ``None`` where they are not known.
        batched: it depends on the input, and its first axis is that of the batch.
        key: equal for equal expressions only.
    """

    operator: str
    attributes: Mapping[str, Any]
    arguments: tuple["Expression", ...] = field(repr=False)
    shape: tuple[int, ...] | None
    batched: bool
    key: bytes = field(repr=False)

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


def make(
    operator: str,
    arguments: Sequence[Expression],
    shape: tuple[int, ...] | None,
    *,
    batched: bool | None = None,
    **attributes: Any,
) -> Expression:
    """Make an expression, batched where an argument is."""
    if batched is None:
        batched = any(argument.batched for argument in arguments)
    text = repr((operator, sorted(attributes.items()), len(arguments)))
    key = hashlib.sha256(text.encode(errors="backslashreplace"))
    for argument in arguments:
        key.update(argument.key)
    return Expression(operator, attributes, tuple(arguments), shape, batched, key.digest())


def single(value: float) -> float:
    """Round to float32, as the formats and the engines do."""
    return ctypes.c_float(value).value


def number(value: float) -> Expression:
    """Make a number that stands in the code."""
    return make("number", (), (), batched=False, value=single(value))


def weight(name: str, shape: Sequence[int]) -> Expression:
    """Make one of the network's tensors, which may have been given another shape."""
    return make("weight", (), tuple(shape), batched=False, name=name, axes=tuple(shape))


def strange(name: str, reason: str, arguments: Sequence[Expression], output: int = 0) -> Expression:
    """Make what has no canonical form: it equals nothing that a known network computes."""
    return make(f"?{plain(name)}", arguments, None, reason=plain(reason), output=output)


def plain(text: str) -> str:
    """Give what an artifact says in one line that can be printed."""
    short = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return "".join(letter if letter.isprintable() else "�" for letter in short)


def ordered(expression: Expression) -> Iterator[Expression]:
    """Give an expression and all that it is made of, once each, what is read before what reads it."""
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
    """Give the name under which a tensor is compared."""
    return (aliases or {}).get(name, name)
