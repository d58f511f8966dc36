"""Read files that a user named."""

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import Union

from .errors import ArtifactError, InputError
from .limits import DEFAULT_LIMITS, size_in_words

__all__ = ["naming", "open_file", "read_bytes", "require_file"]

_AT_ONCE = 2**24
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""Open flags: do not wait if a pipe has replaced the file."""


def read_bytes(path: Union[str, "os.PathLike[str]"], kind: str, *, limit: int = DEFAULT_LIMITS.model_bytes) -> bytes:
    """Read a whole regular file.

    Args:
        path: of the file.
        kind: what it should be, for the error.
        limit: maximum bytes; a larger file is rejected before it is read.

    Raises:
        InputError: missing, a directory, a pipe or device, larger than the limit, or not readable.
    """
    descriptor, size = open_file(path, kind)
    data = b""
    try:
        if size <= limit:
            data = os.read(descriptor, size + 1)
            if len(data) != size:
                data = _to_the_end(descriptor, data, limit)
    except MemoryError:
        raise InputError(f"The {kind} '{path}' has {size:,} bytes, which do not fit into the memory.") from None
    except OSError as error:
        raise _in_words(error, path, kind) from None
    finally:
        os.close(descriptor)
    if max(size, len(data)) > limit:
        more = f"; Limits({kind}_bytes=…) allows more" * (kind in ("image", "model"))
        raise InputError(f"The {kind} '{path}' is larger than {size_in_words(limit)}, the most that is read{more}.")
    return data


def open_file(path: Union[str, "os.PathLike[str]"], kind: str) -> tuple[int, int]:
    """Open a regular file for reading and return (its descriptor, its size in bytes).

    Raises:
        InputError: missing, a directory, a pipe or device, or not readable.
    """
    require_file(path, kind)  # opening a device may have effects
    try:
        descriptor = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:
        raise _in_words(error, path, kind) from None
    try:
        return descriptor, _size(os.fstat(descriptor), path, kind)  # the path may have been replaced since
    except BaseException:
        os.close(descriptor)
        raise


def _to_the_end(descriptor: int, begun: bytes, most: int) -> bytes:
    """Read the rest of a file that reports a wrong size, as in ``/proc``, or needs several calls."""
    parts, total = [begun], len(begun)
    while total <= most and (part := os.read(descriptor, min(_AT_ONCE, most + 1 - total))):
        parts.append(part)
        total += len(part)
    return b"".join(parts)


def require_file(path: Union[str, "os.PathLike[str]"], kind: str) -> int:
    """Check that a path is a regular file, and return its size in bytes.

    Raises:
        InputError: missing, a directory, a pipe or device, or not accessible.
    """
    try:
        status = os.stat(path)  # noqa: PTH116  # the fastest way
    except (OSError, ValueError) as error:
        raise _in_words(error, path, kind) from None
    return _size(status, path, kind)


def _size(status: os.stat_result, path: Union[str, "os.PathLike[str]"], kind: str) -> int:
    article = "an" if kind[0] in "aeiou" else "a"
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"'{path}' is a directory, not {article} {kind}.")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"'{path}' is a device or a pipe, not {article} {kind}.")
    return status.st_size


@contextlib.contextmanager
def naming(model: Union[str, "os.PathLike[str]", bytes]) -> Iterator[None]:
    """Add the model's name to an ``ArtifactError``."""
    try:
        yield
    except ArtifactError as error:
        name = "model" if isinstance(model, bytes) else f"model '{model}'"
        raise ArtifactError(f"The {name} cannot be used. {error}") from None


def _in_words(error: OSError | ValueError, path: Union[str, "os.PathLike[str]"], kind: str) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"There is no {kind} '{path}'.")
    reason = error.strerror if isinstance(error, OSError) else error  # a null character in the path
    return InputError(f"The {kind} '{path}' cannot be read: {reason}.")
