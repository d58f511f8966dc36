"""Reading a file that a user named."""

import stat
from pathlib import Path

from .errors import InputError

__all__ = ["read_bytes"]


def read_bytes(path: Path, kind: str, *, limit: int | None = None) -> bytes:
    """Read a whole regular file.

    Args:
        path: where it is.
        kind: what it should be, for the error.
        limit: the most bytes that are read.

    Raises:
        InputError: missing, a directory, a pipe or device, larger than the limit, or not readable.
    """
    article = "an" if kind[0] in "aeiou" else "a"
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"'{path}' is a directory, not {article} {kind}.")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"'{path}' is a device or a pipe, not {article} {kind}.")
        if limit is not None and status.st_size > limit:
            raise InputError(f"The {kind} '{path}' is larger than {limit // 2**20} MiB.")
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"There is no {kind} '{path}'.") from None
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"The {kind} '{path}' cannot be read: {getattr(error, 'strerror', error)}.") from None
