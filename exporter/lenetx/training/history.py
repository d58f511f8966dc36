"""The history of a run as a file that can be followed while it is written: a JSON object per line and epoch."""

import json
from collections.abc import Mapping
from pathlib import Path

from ..errors import OutputError
from ..files import make_folder

__all__ = ["HistoryFile"]


class HistoryFile:
    """Writes the records that it is given; what stood in the file before is replaced at the first of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mode = "w"

    def __call__(self, record: Mapping[str, float]) -> None:
        """Write a line.

        Raises:
            OutputError: the disk refuses.
        """
        make_folder(self.path.parent)
        try:
            with self.path.open(self._mode, encoding="utf-8") as file:
                file.write(json.dumps(dict(record)) + "\n")
        except OSError as error:
            raise OutputError(f"'{self.path}' could not be written: {error.strerror}.") from None
        self._mode = "a"
