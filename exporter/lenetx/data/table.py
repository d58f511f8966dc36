"""Read the cells of a CSV or list file with any common delimiter and Unicode encoding."""

import csv
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lenetx_runtime.files import read_bytes

from ..errors import DataError
from ..files import decode_text

__all__ = ["SUFFIXES", "Table", "tables"]

SUFFIXES = (".csv", ".tsv", ".txt")
_LARGEST = 2**30
_SAMPLE = 100
_DELIMITERS = (",", "\t", ";", "|")
_DECLARED = re.compile(r"sep=(.)\r?\n")
"""The delimiter declaration that Excel reads and writes before the first row."""
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True)
class Table:
    """The rows of a file, split at one delimiter.

    Attributes:
        file: the path, for messages.
        text: the content.
        delimiter: the cell separator; a space means any whitespace; ``None`` means a list whose lines end in
            whitespace and a label.
        skipped: number of lines before ``text``.
    """

    file: Path
    text: str
    delimiter: str | None
    skipped: int = 0

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line number and the stripped cells of every row; blank lines are skipped.

        Raises:
            DataError: a row has another number of cells than the first, or the text is not CSV.
        """
        width = None
        for line, cells in self._read():
            width = width or len(cells)
            if len(cells) != width or width < 2:
                count = f"{len(cells)} cell{'s' if len(cells) > 1 else ''}"
                raise DataError(
                    f"Line {line} of '{self.file}' has {count} instead of {max(width, 2)}: write a path and a label "
                    "with a comma between, and cells with commas in double quotes."
                )
            yield line, cells

    def lines(self) -> Iterator[str]:
        """Yield the lines with their line ends; lazily, because a table of pixels is large."""
        return (found[0] for found in _LINE.finditer(self.text))

    @cached_property
    def sample(self) -> list[list[str]]:
        """The first rows."""
        return [cells for _, cells in itertools.islice(self.rows(), _SAMPLE)]

    @property
    def is_even(self) -> bool:
        """Whether all rows of the sample have the same number of cells, two or more."""
        try:
            return bool(self.sample)
        except DataError:
            return False

    def _read(self) -> Iterator[tuple[int, list[str]]]:
        if self.delimiter is None:
            lines = enumerate(self.lines(), 1 + self.skipped)
            yield from ((line, text.rsplit(None, 1)) for line, text in lines if text.strip())
            return
        reader = csv.reader(self.lines(), delimiter=self.delimiter, skipinitialspace=True, strict=True)
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num + self.skipped, [cell.strip() for cell in cells]
        except csv.Error as error:
            line = reader.line_num + self.skipped
            raise DataError(f"Line {line} of '{self.file}' is not valid CSV: {error}.") from None


def tables(file: Path) -> list[Table]:
    """Return a table for each delimiter that splits all rows into equally many cells; if there is none, one for commas.

    Raises:
        DataError: the file is not Unicode.
        InputError: the file cannot be read.
    """
    text = _text(file)
    if declared := _DECLARED.match(text):
        return [Table(file, text[declared.end() :], declared[1], skipped=1)]
    found = [table for table in (Table(file, text, mark) for mark in _DELIMITERS) if table.is_even]
    found = found or [table for table in (Table(file, text, mark) for mark in (" ", None)) if table.is_even]
    return found or [Table(file, text, ",")]


def _text(file: Path) -> str:
    content = read_bytes(file, "data set", limit=_LARGEST)
    try:
        return decode_text(content)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"'{file}' is not UTF-8: byte 0x{content[error.start]:02x} in line {line}. "
            "Save it in that encoding, which spreadsheets call 'CSV UTF-8'."
        ) from None
