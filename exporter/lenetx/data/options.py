"""Where the pictures of a set of one's own lie and how they are read: about this machine, so never recorded."""

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
        images: folder that the paths of a CSV file start from; the file's own folder when ``None``.
        skip_bad: leave out the rows that cannot be used, instead of refusing the set.
        follow_links: read what lies outside the set's folder too: by a link, by ``..`` or by an absolute path.
        memory_limit: bytes that the frames of the whole set may take before they stream from the disk; a quarter of
            the memory when ``None``.
        workers: processes that decode files; when ``None``, none for a set that fits the limit and else one per CPU,
            at most 4.

    Raises:
        InputError: a value that cannot be used.
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
    """Return the bytes of ``1GiB``, ``500MB``, ``1.5 g`` or ``4096``: an ``i`` means powers of 1024, else of 1000.

    Raises:
        InputError: it is no size, or none of at least one byte.
    """
    found = _SIZE.fullmatch(text.strip())
    size = 0
    if found:
        unit = found[2].lower()
        size = int(float(found[1]) * (1024 if unit.endswith("i") else 1000) ** _POWERS[unit.removesuffix("i")])
    if size < 1:
        raise InputError(f"'{text}' is no size: write 1GiB, 500MB or a number of bytes.")
    return size
