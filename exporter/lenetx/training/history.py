"""The history of a run as a file that can be followed while it is written: a JSON object per line and epoch."""

import json
from collections.abc import Mapping
from pathlib import Path

from ..errors import OutputError
from ..files import write_atomically

__all__ = ["HistoryFile"]


class HistoryFile:
    """Writes the records that it is given; what stood in the file before is replaced by the first of them."""

    def __init__(self, path: Path) -> None:
        self.path, self._written = path, 0

    def __call__(self, record: Mapping[str, float]) -> None:
        """Write a line.

        Raises:
            OutputError: the disk refuses; the lines of before stand.
        """
        line = (json.dumps(dict(record)) + "\n").encode()
        if self._written:
            self._append(line)
        else:
            write_atomically(self.path, line)
        self._written += len(line)

    def _append(self, line: bytes) -> None:
        if not self.path.exists():  # someone has taken the lines of before away
            write_atomically(self.path, line)
            self._written = 0
            return
        try:
            with self.path.open("r+b") as file:
                file.truncate(self._written)  # half a line may be there from a disk that was full
                file.seek(self._written)
                file.write(line)
        except OSError as error:
            raise OutputError(f"'{self.path}' could not be written: {error.strerror}.") from None
