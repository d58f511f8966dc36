"""What a single value from a file may be."""

import sys
from typing import TypeGuard

__all__ = ["LARGEST_COUNT", "is_count", "is_digest", "is_number", "is_text"]

LARGEST_COUNT = 2**14
"""Of pixels along a side and of images in a fixed batch: no file may make a program take all memory."""
_HEXADECIMAL = frozenset("0123456789abcdef")


def is_text(value: object) -> TypeGuard[str]:
    """Say whether it is a text that can be printed: not an empty one, and none with halves of UTF-16 pairs."""
    return isinstance(value, str) and value != "" and not any("\ud800" <= letter <= "\udfff" for letter in value)


def is_digest(value: object) -> TypeGuard[str]:
    """Say whether it is a SHA-256 digest in lower case."""
    return isinstance(value, str) and len(value) == 64 and _HEXADECIMAL.issuperset(value)


def is_count(value: object, least: int) -> TypeGuard[int]:
    """Say whether it is a whole number from ``least`` to :data:`LARGEST_COUNT`."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST_COUNT


def is_number(value: object) -> TypeGuard[float]:
    """Say whether it is a finite number that fits a float64."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
