"""The history of a run as a file that can be followed while it is written: a JSON object per line and epoch."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import OutputError
from ..files import write_atomically

__all__ = ["HistoryFile"]


class HistoryFile:
    """Writes the records that it is given; what stood in the file before is replaced by the first of them.

    A line that the disk refuses is written with the next one.

    Args:
        path: of the file.
        on_notice: told once that the disk refuses, for which no training ends.
    """

    def __init__(self, path: Path, on_notice: Callable[[str], None] = lambda _: None) -> None:
        self.path, self._on_notice, self._refused = path, on_notice, False
        self._written, self._waiting = 0, b""

    def __call__(self, record: Mapping[str, float]) -> None:
        """Write a line."""
        self._waiting += (json.dumps(dict(record)) + "\n").encode()
        try:
            self._write(self._waiting)
        except OutputError as error:
            if not self._refused:
                self._on_notice(f"{error} Training goes on without its history.")
            self._refused = True
        else:
            self._written += len(self._waiting)
            self._waiting = b""

    def _write(self, lines: bytes) -> None:
        if not self._written or not self.path.exists():  # someone may have taken the lines of before away
            write_atomically(self.path, lines)
            self._written = 0
            return
        try:
            with self.path.open("r+b") as file:
                file.truncate(self._written)  # half a line may be there from a disk that was full
                file.seek(self._written)
                file.write(lines)
        except OSError as error:
            raise OutputError(f"'{self.path}' could not be written: {error.strerror}.") from None
