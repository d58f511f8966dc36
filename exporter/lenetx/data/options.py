"""Define the options for reading a data set. They describe this machine, so no checkpoint records them."""

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

__all__ = ["DataOptions", "parse_size"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(|[kmgt]i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_MOST_WORKERS = 256


@dataclass(frozen=True, slots=True)
class DataOptions:
    """How to read a data set.

    Attributes:
        images: folder that the paths in a CSV file are relative to; defaults to the file's own folder.
        skip_bad: skip rows that cannot be used instead of rejecting the set.
        follow_links: also read files outside the set's folder, reached by a link, ``..`` or an absolute path.
        memory_limit: bytes that the frames of the whole set may occupy before they are streamed from disk; defaults
            to a quarter of the memory.
        workers: processes that decode files; by default none for a set within the limit, else one per CPU, up to 4.

    Raises:
        InputError: a value is out of range.
    """

    images: Path | None = None
    skip_bad: bool = False
    follow_links: bool = False
    memory_limit: int | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.memory_limit is not None and self.memory_limit < 1:
            raise InputError(f"The memory limit is {self.memory_limit} bytes; it must be at least 1.")
        if self.workers is not None and not 0 <= self.workers <= _MOST_WORKERS:
            raise InputError(f"The number of workers is {self.workers}; it must be 0 to {_MOST_WORKERS}.")


def parse_size(text: str) -> int:
    """Return a size in bytes from ``1GiB``, ``500MB``, ``1.5 g`` or ``4096``; units with an ``i`` are powers of 1024.

    Raises:
        InputError: the text is not a size, or the size is below one byte.
    """
    found = _SIZE.fullmatch(text.strip())
    size = 0
    if found:
        unit = found[2].lower()
        size = int(float(found[1]) * (1024 if unit.endswith("i") else 1000) ** _POWERS[unit.removesuffix("i")])
    if size < 1:
        raise InputError(f"'{text}' is not a size: write 1GiB, 500MB or a number of bytes.")
    return size
