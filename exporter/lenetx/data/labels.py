"""Turn the labels of rows and the names of folders into class names and numbers."""

import os
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

__all__ = ["are_numbers", "as_text", "class_numbers", "in_order", "part_named"]

_MOST_NUMBERED = 1000
_WHOLE = re.compile(r"0*(\d+?)(\.0*|,0)?", re.ASCII)
"""As programs write class numbers: ``3``, ``03`` and, where a table had gaps, ``3.0`` or ``3,0``."""
_NUMBER = re.compile(r"[+-]?\d{1,99}(\.\d{0,99})?", re.ASCII)
_PART = re.compile(
    r"(?:(?P<train>train|training|trn)|(?P<validation>val|valid|validation|validate|validating|dev)|"
    r"(?P<test>test|testing|tst))(?:[-_ ]?(?:set|data|images|imgs|split))?s?"
)


def part_named(name: str) -> str | None:
    """Return ``train``, ``validation`` or ``test`` if a folder or cell of that name means it, in any usual spelling."""
    found = _PART.fullmatch(name.strip().lower())
    return found and found.lastgroup


def as_text(name: str) -> str:
    r"""Return a file system's name as valid text: bytes that are not UTF-8 become ``\xf6``."""
    return os.fsencode(name).decode(errors="backslashreplace")


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sort class names; if all are numbers, by value."""
    names = list(names)
    numbers = all(_NUMBER.fullmatch(name) for name in names)
    return tuple(sorted(names, key=(lambda name: (Decimal(name), name)) if numbers else None))


def are_numbers(labels: Iterable[str]) -> bool:
    """Return whether every label is a whole number from 0, as ``3``, ``03`` or ``3.0``."""
    return all(_WHOLE.fullmatch(label) for label in labels)


def class_numbers(classes: Sequence[str], known: tuple[str, ...] | None) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the names of all classes and int64[N]: the number of each row's, -1 where ``known`` does not have it.

    Labels that are all whole numbers are the classes' own numbers, from 0 to the largest; else the names are sorted.

    Args:
        classes: the label of each row as it is written.
        known: the class names if they are already decided.

    Raises:
        DataError: the numbers are too large to be those of classes.
    """
    if known is None and classes and are_numbers(classes):
        largest = max(map(_canonical, classes), key=lambda number: (len(number), number))
        if len(largest) > len(str(_MOST_NUMBERED)) or int(largest) >= _MOST_NUMBERED:
            raise DataError(
                f"The label {largest} is not the number of a class: they run from 0 to {_MOST_NUMBERED - 1}. "
                "Text labels, such as class_7, may be anything."
            )
        known = tuple(map(str, range(int(largest) + 1)))
    names = known if known is not None else in_order(set(classes))
    number_of = {name: number for number, name in enumerate(names)}
    alike = {_canonical(name): number for name, number in number_of.items()}
    if len(alike) < len(number_of):  # classes 1 and 01 are two
        alike = {}
    return names, np.array([number_of.get(label, alike.get(_canonical(label), -1)) for label in classes], np.int64)


def _canonical(label: str) -> str:
    found = _WHOLE.fullmatch(label)
    return found[1] if found else label
