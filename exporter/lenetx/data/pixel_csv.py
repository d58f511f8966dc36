"""Read a CSV file of pixels: a row per image, its label and then its grey levels, as MNIST is often passed around."""

import math

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .dataset import Split
from .labels import class_numbers
from .table import Table

__all__ = ["holds_pixels", "read_pixels"]

_FEWEST = 64
"""Pixels of an image, 8×8: tables with fewer columns of numbers hold something else."""


def holds_pixels(table: Table) -> bool:
    """Return whether the rows are numbers, as many as the pixels of a square image and one or two more."""
    rows = table.sample[1:] or table.sample
    width = len(rows[0]) if rows else 0
    return width > _FEWEST and table.delimiter is not None and all(_is_number(cell) for row in rows for cell in row)


def read_pixels(table: Table, known: tuple[str, ...] | None) -> tuple[Split, tuple[str, ...]]:
    """Read all rows: (the images uint8[N, H, H] and their labels, the class names).

    The label is the column of that heading, else the first, or the last where the first never changes.

    Args:
        table: one of which :func:`holds_pixels` is true.
        known: the class names if they are already decided.

    Raises:
        DataError: the pixels are no square or no levels of 0 to 255, or a label is not the number of a class.
    """
    first = table.sample[0]
    headings = [] if all(map(_is_number, first)) else [cell.lower() for cell in first]
    values = _values(table, heading=bool(headings))
    if headings and headings[0] in ("", "index", "id"):  # pandas numbers the rows
        values, headings = values[:, 1:], headings[1:]
    side = math.isqrt(values.shape[1] - 1)
    if side * side != values.shape[1] - 1:
        raise DataError(
            f"'{table.file}' has {values.shape[1]} numbers in a row: write a label and the pixels of a square image, "
            "such as 1 + 784; a set without labels cannot be trained on."
        )
    column = _label_column(headings, values)
    levels = np.delete(values, column, axis=1)
    if levels.min() < 0 or levels.max() > 255:
        raise DataError(f"'{table.file}' has levels from {levels.min()} to {levels.max()}; they run from 0 to 255.")
    names, numbers = class_numbers(list(map(str, values[:, column].tolist())), known)
    if (numbers < 0).any():
        wrong = values[np.argmax(numbers < 0), column]
        raise DataError(f"'{table.file}' has the label {wrong}, and there is no class '{wrong}'.")
    return Split(levels.astype(np.uint8).reshape(-1, side, side), numbers), names


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _values(table: Table, *, heading: bool) -> NDArray[np.int16]:
    try:
        values: NDArray[np.int16] = np.loadtxt(
            table.lines(), np.int16, delimiter=table.delimiter, skiprows=int(heading), ndmin=2, quotechar='"'
        )
    except ValueError as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise DataError(
            f"'{table.file}' is no table of pixels: {reason}. Write a label and whole levels from 0 to 255 in each row."
        ) from None
    return values


def _label_column(headings: list[str], values: NDArray[np.int16]) -> int:
    for name in ("label", "class", "target", "digit", "y"):
        if name in headings:
            return headings.index(name)
    return 0 if (values[:, 0] != values[0, 0]).any() or len(values) == 1 else values.shape[1] - 1
