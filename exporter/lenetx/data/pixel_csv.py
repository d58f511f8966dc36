"""Read a CSV file with one image per row, its label and its grey levels: a common way to share MNIST."""

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .class_folders import PICTURES
from .dataset import Split
from .labels import are_numbers, class_numbers
from .levels import exact_levels
from .table import Table

__all__ = ["holds_pixels", "read_pixels"]

_FEWEST = 64
"""Minimum number of pixels, 8×8; a table with fewer numeric columns does not hold images."""


def holds_pixels(table: Table) -> bool:
    """Return whether the rows are pixels: enough numeric columns for an image, and at most one text column."""
    rows = table.sample[1:] or table.sample
    columns, texts = _kinds(rows)
    pictures = any(os.path.splitext(row[column])[1].lower() in PICTURES for row in rows for column in texts)  # noqa: PTH122
    return len(columns) + len(texts) > _FEWEST and len(texts) < 2 and not pictures


def read_pixels(
    table: Table, known: tuple[str, ...] | None, numbered: tuple[str, ...] | None
) -> tuple[Split, tuple[str, ...], list[str]]:
    """Read all rows and return (images uint8[N, H, H] with their labels, class names, notices).

    The label column is the one with a label heading or with text; otherwise the first, or the last if only that one
    looks like class indices. A leading index column is skipped. Levels are 0 to 255, or exactly such levels ÷ 255.

    Args:
        table: a table for which ``holds_pixels`` is true.
        known: the class names, if they are already fixed.
        numbered: the class names to use if the labels are numbers.

    Raises:
        DataError: the pixels are not square or not grey levels, or a label is not a class index.
    """
    labels, levels = _labels_and_levels(table)
    side = math.isqrt(levels.shape[1])
    if side * side != levels.shape[1]:
        raise DataError(
            f"'{table.file}' has {len(table.sample[0])} numbers in a row: write a label and the pixels of a square "
            "image, such as 1 + 784; a set without labels cannot be trained on."
        )
    images, divided = exact_levels(f"'{table.file}' has levels", levels)
    names, numbers = class_numbers(labels, known or (numbered if are_numbers(labels) else None))
    if (numbers < 0).any():
        wrong = labels[np.argmax(numbers < 0)]
        raise DataError(f"'{table.file}' has the label {wrong}, and there is no class '{wrong}'.")
    notices = [f"The levels in '{table.file.name}' are taken as levels of 0 to 255{divided}, exactly."]
    return Split(images.reshape(-1, side, side), numbers), names, notices if divided else []


def _labels_and_levels(table: Table) -> tuple[list[str], NDArray[np.float32]]:
    """Return the labels and the pixels, float32[N, P], of all rows, without an index column."""
    first, *rows = table.sample
    headings = [cell.lower() for cell in first] if len(_kinds([first])[1]) > 1 else []
    columns, texts = _kinds(rows or [first])
    values = _read(table, np.float32, columns, heading=bool(headings))
    pixels = len(columns) + len(texts) - 2  # an index and a label
    if math.isqrt(pixels) ** 2 == pixels and _numbers_rows(values[:, 0]):
        columns, values = columns[1:], values[:, 1:]
    if texts:
        return _read(table, np.str_, texts, heading=bool(headings))[:, 0].tolist(), values
    column = _label_column([headings[column] for column in columns] if headings else [], values)
    labels = values[:, column].tolist()
    if odd := [label for label in labels if not label.is_integer()]:
        raise DataError(f"'{table.file}' has the label {odd[0]:g}, which is not a whole number.")
    return [f"{label:.0f}" for label in labels], np.delete(values, column, axis=1)


def _kinds(rows: list[list[str]]) -> tuple[list[int], list[int]]:
    """Return (the numeric columns, the text columns), without empty ones."""
    numbers: list[int] = []
    texts: list[int] = []
    for column, cells in enumerate(zip(*rows, strict=True)):
        if any(cells):
            (numbers if all(map(_is_number, cells)) else texts).append(column)
    return numbers, texts


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read(table: Table, kind: type[Any], columns: list[int], *, heading: bool) -> NDArray[Any]:
    """Read these columns of all rows as an array [N, columns]."""
    delimiter = None if table.delimiter == " " else table.delimiter
    try:
        return np.loadtxt(
            table.lines(), kind, delimiter=delimiter, skiprows=int(heading), usecols=columns, ndmin=2, quotechar='"'
        )
    except ValueError as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise DataError(
            f"'{table.file}' is not a table of pixels: {reason}. Write a label and levels from 0 to 255 in each row."
        ) from None


def _numbers_rows(values: NDArray[np.float32]) -> bool:
    """Return whether all values differ, as in an index that pandas writes."""
    return len(np.unique(values)) == len(values)


def _label_column(headings: list[str], values: NDArray[np.float32]) -> int:
    for name in ("label", "class", "target", "digit", "y"):
        if name in headings:
            return headings.index(name)
    last = values.shape[1] - 1
    return last if _evidence(values[:, last]) > _evidence(values[:, 0]) else 0


def _evidence(values: NDArray[np.float32]) -> int:
    """Rate how much a column looks like class indices: 2 if consecutive, 1 if they vary, 0 if constant."""
    found = np.unique(values)
    if len(found) < 2:
        return 0
    return 2 if found[-1] - found[0] == len(found) - 1 else 1
