"""A CSV file of ``path,label`` rows."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from lenetx_runtime.files import read_bytes, require_file

from ..errors import DataError
from ..files import exists
from .rows import Rows

__all__ = ["read_csv"]

_LARGEST = 2**30
_PATH_HEADINGS = {
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "img",
    "name",
}
_LABEL_HEADINGS = {"label", "labels", "class", "class_name", "category", "target", "digit", "y"}


def read_csv(file: Path, images: Path, *, follow_links: bool) -> Rows:
    """Read the rows of a CSV file, UTF-8 with commas; blank lines and spaces around a label mean nothing.

    The first row is a heading if its two cells are usual ones, such as ``path,label`` or ``filename,class``, and no
    such picture exists.

    Args:
        file: the CSV file.
        images: folder that its paths start from.
        follow_links: take files outside that folder too.

    Raises:
        DataError: empty, ragged, not UTF-8 or no CSV.
        InputError: the file cannot be read.
    """
    require_file(file, "data set")
    if not images.is_dir():
        raise DataError(f"There is no folder of images '{images}': name it with --images.")
    rows, first = Rows(images, follow_links), True
    for line, path, label in _cells(file):
        if not (first and _is_heading(path, label) and not exists(images / path)):
            rows.add(f"line {line}", path, label)
        first = False
    if not rows.files and not rows.unusable:
        raise DataError(f"'{file}' has no rows: each is a path and a label, with a comma between.")
    return rows


def _cells(file: Path) -> Iterator[tuple[int, str, str]]:
    """Give the line, path and label of every row."""
    reader = csv.reader(io.StringIO(_text(file), newline=""), skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            if not cells:
                continue
            if len(cells) != 2:
                count = f"{len(cells)} cell{'s' if len(cells) > 1 else ''}"
                raise DataError(f"Line {reader.line_num} of '{file}' has {count} instead of 2: a path and a label.")
            yield reader.line_num, cells[0], cells[1].strip()
    except csv.Error as error:
        raise DataError(f"Line {reader.line_num} of '{file}' is no CSV: {error}.") from None


def _text(file: Path) -> str:
    content = read_bytes(file, "data set", limit=_LARGEST)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"'{file}' is not UTF-8: byte 0x{content[error.start]:02x} in line {line}; save it in that encoding."
        ) from None


def _is_heading(path: str, label: str) -> bool:
    return path.strip().lower() in _PATH_HEADINGS and label.lower() in _LABEL_HEADINGS
