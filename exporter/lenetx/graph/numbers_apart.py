"""Find out whether two networks are the same but for numbers such as an epsilon or a slope."""

import hashlib
import math

from .expression import Expression, ordered

__all__ = ["only_numbers_differ"]

_ROUNDING = 2.0**-20
"""Relative difference of numbers that were computed in float32 and in float64."""


def only_numbers_differ(one: Expression, other: Expression) -> bool:
    """Return whether two expressions have the same operators, weights and sizes, but not the same numbers.

    Numbers that differ by no more than rounding are the same.
    """
    if _shape_of(one) != _shape_of(other):
        return False
    ours, theirs = _numbers(one), _numbers(other)
    return len(ours) != len(theirs) or not all(
        math.isclose(*pair, rel_tol=_ROUNDING) for pair in zip(ours, theirs, strict=True)
    )


def _numbers(expression: Expression) -> list[float]:
    values = (value for each in ordered(expression) for value in each.attributes.values())
    return sorted(value for value in values if isinstance(value, float))


def _shape_of(expression: Expression) -> bytes:
    """Return a digest that equal expressions have, and those that differ only in numbers or in the order of operands.

    The canonical order of operands follows their numbers, and so cannot be compared.
    """
    known: dict[bytes, bytes] = {}
    for each in ordered(expression):
        settings = sorted((name, value) for name, value in each.attributes.items() if not isinstance(value, float))
        parts = sorted(known[argument.key] for argument in each.arguments)
        known[each.key] = hashlib.sha256(repr((each.operator, settings)).encode() + b"".join(parts)).digest()
    return known[expression.key]
