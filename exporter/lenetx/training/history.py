"""Write the history of a run as JSON lines, one per epoch, to a file that can be followed during the run."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import OutputError
from ..files import write_atomically

__all__ = ["HistoryFile"]


class HistoryFile:
    """Write one record per call; the first replaces the file's previous contents.

    A failed write does not end the training: its line is written together with the next one.

    Args:
        path: the file.
        on_notice: called once, with a sentence, when a write fails.
    """

    def __init__(self, path: Path, on_notice: Callable[[str], None] = lambda _: None) -> None:
        self.path, self._on_notice, self._refused = path, on_notice, False
        self._written, self._waiting = 0, b""

    def __call__(self, record: Mapping[str, float]) -> None:
        """Append a record to the file as one line."""
        self._waiting += (json.dumps(dict(record)) + "\n").encode()
        try:
            self._write(self._waiting)
        except OutputError as error:
            if not self._refused:
                self._on_notice(f"{error} Training continues without its history.")
            self._refused = True
        else:
            self._written += len(self._waiting)
            self._waiting = b""

    def _write(self, lines: bytes) -> None:
        if not self._written or not self.path.exists():  # the file may have been deleted during the run
            write_atomically(self.path, lines)
            self._written = 0
            return
        try:
            with self.path.open("r+b") as file:
                file.truncate(self._written)  # a full disk may have left half a line
                file.seek(self._written)
                file.write(lines)
        except OSError as error:
            raise OutputError(f"'{self.path}' could not be written: {error.strerror}.") from None
