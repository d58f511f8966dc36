"""Read the cells of a CSV file or list, whatever delimiter and Unicode encoding it was saved with."""

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
"""What Excel reads, and writes, before the first row."""
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True)
class Table:
    """The rows of a file with one delimiter.

    Attributes:
        file: for messages.
        text: its content.
        delimiter: between two cells; a space for any white space; ``None`` for a list whose lines end in white space
            and a label.
        skipped: lines before the text.
    """

    file: Path
    text: str
    delimiter: str | None
    skipped: int = 0

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line and the cells of every row, without spaces around them; blank lines are skipped.

        Raises:
            DataError: a row has another number of cells than the first, or it is no CSV.
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
        """Yield the lines with their ends, one at a time: a table of pixels is large."""
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
            raise DataError(f"Line {line} of '{self.file}' is no CSV: {error}.") from None


def tables(file: Path) -> list[Table]:
    """Return the ways to read a file whose rows have equally many cells; else the one with commas.

    Raises:
        DataError: it is not Unicode.
        InputError: it cannot be read.
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
