"""Convert row labels and folder names to class names and class indices."""

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
"""How programs write class indices: ``3``, ``03`` and, if the table had missing values, ``3.0`` or ``3,0``."""
_NUMBER = re.compile(r"[+-]?\d{1,99}(\.\d{0,99})?", re.ASCII)
_PART = re.compile(
    r"(?:(?P<train>train|training|trn)|(?P<validation>val|valid|validation|validate|validating|dev)|"
    r"(?P<test>test|testing|tst))(?:[-_ ]?(?:set|data|images|imgs|split))?s?"
)


def part_named(name: str) -> str | None:
    """Return ``train``, ``validation`` or ``test`` if a name is a common spelling of one, else ``None``."""
    found = _PART.fullmatch(name.strip().lower())
    return found and found.lastgroup


def as_text(name: str) -> str:
    r"""Return a file name as valid text: a byte that is not UTF-8 is escaped, as in ``\xf6``."""
    return os.fsencode(name).decode(errors="backslashreplace")


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return the class names sorted: by value if all are numbers, else as text."""
    names = list(names)
    numbers = all(_NUMBER.fullmatch(name) for name in names)
    return tuple(sorted(names, key=(lambda name: (Decimal(name), name)) if numbers else None))


def are_numbers(labels: Iterable[str]) -> bool:
    """Return whether every label is a non-negative whole number, such as ``3``, ``03`` or ``3.0``."""
    return all(_WHOLE.fullmatch(label) for label in labels)


def class_numbers(classes: Sequence[str], known: tuple[str, ...] | None) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the names of all classes and each row's class index, int64[N]; -1 for labels missing from ``known``.

    If all labels are whole numbers they are the class indices, from 0 to the largest; otherwise indices follow the
    sorted names.

    Args:
        classes: the label of each row, as written.
        known: the class names, if they are already fixed.

    Raises:
        DataError: a number is too large to be a class index.
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
    if len(alike) < len(number_of):  # 1 and 01 are two different classes here
        alike = {}
    return names, np.array([number_of.get(label, alike.get(_canonical(label), -1)) for label in classes], np.int64)


def _canonical(label: str) -> str:
    found = _WHOLE.fullmatch(label)
    return found[1] if found else label
