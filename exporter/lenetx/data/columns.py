"""Find which columns of a table hold the image paths, the labels and the parts."""

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from .class_folders import PICTURES
from .labels import part_named
from .table import Table

__all__ = ["Columns", "find_columns", "found_picture"]

_PATHS = {
    *("path", "file", "files", "filename", "filenames", "filepath", "image", "images", "imagepath", "imagename"),
    *("imageid", "img", "imgpath", "imgname", "name", "id"),
}
_LABELS = (
    *("label", "labels", "class", "classname", "classid", "category", "target", "digit", "y", "labelname"),
    "classlabel",
)
"""In order of preference: the first one present holds the labels."""
_MOST_COLUMNS = 1000
_MOST_CELLS = 4000
"""Maximum cells of the sample that are looked up as image files, each in up to 60 spellings."""
_SPLITS = {"split", "subset", "part", "partition", "set", "usage"}


@dataclass(frozen=True, slots=True)
class Columns:
    """The roles of a table's columns, which are numbered from 0.

    Attributes:
        path, label, part: the columns of each; several ``label`` columns are a one-hot encoding.
        headings: the first row's cells if they are headings, else empty.
        unread: the names of all other columns.
        pictures: how many paths of the sample exist as files.
    """

    path: int
    label: tuple[int, ...]
    part: int | None
    headings: tuple[str, ...]
    unread: tuple[str, ...]
    pictures: int

    @property
    def is_guessed(self) -> bool:
        """Whether the first row is taken as headings although it has no known heading."""
        return bool(self.headings) and not _are_usual(self.headings)

    @property
    def label_name(self) -> str:
        """The name of the label column, for messages."""
        first, *more = (self.headings[column] if self.headings else f"column {column + 1}" for column in self.label)
        return f"{first} and {len(more)} more" if more else first

    def label_of(self, cells: Sequence[str]) -> str:
        """Return the label of a row, or an empty string if it has none."""
        if len(self.label) == 1:
            return cells[self.label[0]]
        ones = [self.headings[column] for column in self.label if _is_one(cells[column])]
        return ones[0] if len(ones) == 1 else ""


def found_picture(folder: Path, cell: str) -> str | None:
    r"""Return the path below the folder of the image that a cell names, or ``None`` if there is none.

    The cell may use ``\``, omit the suffix, or use another Unicode normal form than the file system.
    """
    ways = dict.fromkeys((cell, cell.replace("\\", "/")))
    ways |= dict.fromkeys(unicodedata.normalize(form, way) for way in tuple(ways) for form in ("NFC", "NFD"))
    for suffix in ("", *(spelled for known in PICTURES for spelled in (known, known.upper()))):
        for way in ways:
            if way and os.path.isfile(folder / (way + suffix)):  # noqa: PTH113  # Path.is_file() raises on long names
                return way + suffix
        if _is_picture_name(cell):
            break
    return None


def find_columns(table: Table, folder: Path) -> Columns:
    """Find the columns by their headings and contents.

    Raises:
        DataError: several columns may hold the labels, or there are more than a thousand.
    """
    width = len(table.sample[0])
    if width > _MOST_COLUMNS:
        raise DataError(
            f"'{table.file}' has {width:,} columns and is not a table of pixels, since these are numbers: "
            "write a path and a label in each row."
        )
    sample = table.sample[: max(2, _MOST_CELLS // width)]
    there = [[found_picture(folder, row[column]) for row in sample] for column in range(len(sample[0]))]
    known = [_key(cell) for cell in sample[0]]
    path = max(range(len(known)), key=lambda column: (*_evidence(sample, there, column), known[column] in _PATHS))
    headings = tuple(sample[0]) if _is_heading(sample, path, there[path][0]) else ()
    rows = sample[bool(headings) :]
    others = [column for column in range(len(known)) if column != path and any(row[column] for row in rows)]
    part = next((column for column in others if headings and _is_part(known[column], rows, column)), None)
    label = _label_columns(table, headings, rows, [column for column in others if column != part])
    unread = [column for column in others if column not in (*label, part)]
    names = tuple((headings[column] or "(no name)") if headings else f"{column + 1}" for column in unread)
    return Columns(path, label, part, headings, names, sum(each is not None for each in there[path]))


def _evidence(sample: list[list[str]], there: list[list[str | None]], column: int) -> tuple[int, int, int]:
    cells = [row[column] for row in sample]
    exact = sum(found == cell for found, cell in zip(there[column], cells, strict=True))
    return exact, sum(found is not None for found in there[column]), sum(map(_is_picture_name, cells))


def _is_heading(sample: list[list[str]], path: int, picture: str | None) -> bool:
    """Return whether the first row is a heading; ``picture`` is the file that its path cell names, if any."""
    first, *rows = sample
    cell = first[path]
    if picture == cell or _is_picture_name(cell) or not cell:
        return False
    if rows and all(_is_picture_name(row[path]) for row in rows):
        return True
    recurs = any(row[column] == cell for row in rows for column, cell in enumerate(first))
    return picture is None and (_are_usual(first) or not recurs)


def _are_usual(headings: Sequence[str]) -> bool:
    return any(_key(cell) in _PATHS or _key(cell) in _LABELS for cell in headings)


def _key(heading: str) -> str:
    """Normalise a heading for look-up: ``Image_ID`` becomes ``imageid``."""
    return re.sub(r"[\s_-]", "", heading.lower())


def _is_part(heading: str, rows: list[list[str]], column: int) -> bool:
    return heading in _SPLITS and all(part_named(row[column]) for row in rows)


def _label_columns(
    table: Table, headings: tuple[str, ...], rows: list[list[str]], columns: list[int]
) -> tuple[int, ...]:
    if not rows:
        return ()
    named = {_key(headings[column]): column for column in reversed(columns)} if headings else {}
    for name in _LABELS:
        if name in named:
            return (named[name],)
    if len(columns) > 1:
        columns = [column for column in columns if not _counts(rows, column)]
    if len(columns) == 1:
        return (columns[0],)
    if len(columns) > 1 and headings and all(_is_one_hot(row, columns) for row in rows):
        return tuple(columns)
    names = ", ".join(headings or map(str, range(1, len(rows[0]) + 1)))
    raise DataError(
        f"'{table.file}' has the columns {names[:200]}, and it is not clear which one holds the labels: "
        "call it label in the first row."
    )


def _counts(rows: list[list[str]], column: int) -> bool:
    """Return whether a column numbers the rows, like an index that pandas writes."""
    first = rows[0][column] if rows else ""
    return first in ("0", "1") and [row[column] for row in rows] == [str(int(first) + k) for k in range(len(rows))]


def _is_one_hot(row: list[str], columns: list[int]) -> bool:
    return sorted(_is_one(row[column]) for column in columns)[-2:] == [False, True] and all(
        row[column] in ("0", "1", "0.0", "1.0") for column in columns
    )


def _is_one(cell: str) -> bool:
    return cell in ("1", "1.0")


def _is_picture_name(cell: str) -> bool:
    return os.path.splitext(cell)[1].lower() in PICTURES  # noqa: PTH122  # a cell may hold anything
