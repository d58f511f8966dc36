"""Read a CSV or list file of image paths and labels."""

from pathlib import Path

from ..errors import DataError
from ..files import is_folder
from .columns import Columns, find_columns, found_picture
from .labels import part_named
from .rows import Rows
from .table import Table

__all__ = ["read_csv"]

_MOST_MISSES = 1000
"""Rows without an image file after which other spellings of a path are not tried: each row takes up to 60 look-ups."""


def read_csv(candidates: list[Table], images: Path, *, follow_links: bool) -> tuple[dict[str, Rows], list[str]]:
    """Read the rows and return (rows by part, notices).

    The columns are found by their headings (``filename,label``, and a ``split`` of train, validation and test) and by
    their contents: the path column is the one whose images exist.

    Args:
        candidates: the file parsed with each possible delimiter; the one that finds the most images is used.
        images: folder that the paths are relative to.
        follow_links: also accept files outside that folder.

    Raises:
        DataError: the file is empty, ragged or not a CSV, or its columns are ambiguous.
    """
    file = candidates[0].file
    if not is_folder(images):
        raise DataError(f"There is no folder of images '{images}': name it with --images.")
    if not candidates[0].sample:
        raise DataError(f"'{file}' has no rows: each is a path and a label, with a comma between.")
    table, columns = max(
        ((table, find_columns(table, images)) for table in candidates), key=lambda found: found[1].pictures
    )
    read = _rows(table, columns, images, follow_links=follow_links)
    if not any(rows.files or rows.unusable for rows in read.values()):
        raise DataError(f"'{file}' has no rows: each is a path and a label, with a comma between.")
    if not any(rows.files for rows in read.values()):
        problem = next(problem for rows in read.values() for problem in rows.unusable)
        raise DataError(
            f"No picture of '{file.name}' can be used; {problem}. Its paths start from its own folder, or from the one "
            "that --images names."
        )
    if "train" not in read:
        raise DataError(f"'{file}' has no row of the part train, only of {' and '.join(read)}.")
    return read, _notices(table, columns)


def _rows(table: Table, columns: Columns, images: Path, *, follow_links: bool) -> dict[str, Rows]:
    read: dict[str, Rows] = {}
    misses = 0
    for number, (line, cells) in enumerate(table.rows()):
        if number == 0 and columns.headings:
            continue
        part: str | None = "train"
        if columns.part is not None and not (part := part_named(cells[columns.part])):
            raise DataError(
                f"Line {line} of '{table.file}': '{cells[columns.part]}' is not a part; "
                "write train, validation or test."
            )
        rows = read.setdefault(part or "", Rows(images, follow_links))
        cell = cells[columns.path]
        found = found_picture(images, cell) if misses < _MOST_MISSES else None
        misses += found is None
        rows.add(f"line {line}", found or cell, columns.label_of(cells))
    return read


def _notices(table: Table, columns: Columns) -> list[str]:
    name, notices = table.file.name, []
    if columns.is_guessed:
        notices.append(f"The first row of '{name}', {', '.join(columns.headings)[:200]}, is taken for headings.")
    if columns.unread:
        unread = ", ".join(columns.unread)[:200]
        notices.append(f"'{name}': the labels are in {columns.label_name}; not read: {unread}.")
    return notices
