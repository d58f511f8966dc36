"""Reading a file that a user named."""

import contextlib
import io
import os
import stat
import sys
from collections.abc import Iterator
from typing import Union

from .errors import ArtifactError, InputError
from .limits import size_in_words

__all__ = ["naming", "read_bytes", "require_file"]

_AT_ONCE = 2**24


def read_bytes(path: Union[str, "os.PathLike[str]"], kind: str, *, limit: int | None = None) -> bytes:
    """Read a whole regular file.

    Args:
        path: where it is.
        kind: what it should be, for the error.
        limit: the most bytes that are read.

    Raises:
        InputError: missing, a directory, a pipe or device, larger than the limit, or not readable.
    """
    size = require_file(path, kind)
    most = sys.maxsize if limit is None else limit
    data = b""
    if size <= most:
        try:
            with io.FileIO(path) as file:  # the quickest way: a picture of a digit has 300 bytes
                data = file.read(size + 1)
                if len(data) != size:
                    data = _to_the_end(file, data, most)
        except OSError as error:
            raise _in_words(error, path, kind) from None
    if max(size, len(data)) > most:
        raise InputError(f"The {kind} '{path}' is larger than {size_in_words(most)}.")
    return data


def _to_the_end(file: io.FileIO, begun: bytes, most: int) -> bytes:
    """Read on in a file that is not as long as it says, but no more than a byte beyond the most.

    It grows or shrinks meanwhile, is made as it is read, as in ``/proc``, or has more than one call reads.
    """
    parts, total = [begun], len(begun)
    while total <= most and (part := file.read(min(_AT_ONCE, most + 1 - total))):
        parts.append(part)
        total += len(part)
    return b"".join(parts)


def require_file(path: Union[str, "os.PathLike[str]"], kind: str) -> int:
    """Give the size in bytes of a regular file.

    Raises:
        InputError: missing, a directory, a pipe or device, or not to be looked at.
    """
    article = "an" if kind[0] in "aeiou" else "a"
    try:
        status = os.stat(path)  # noqa: PTH116  # see read_bytes
    except (OSError, ValueError) as error:
        raise _in_words(error, path, kind) from None
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"'{path}' is a directory, not {article} {kind}.")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"'{path}' is a device or a pipe, not {article} {kind}.")
    return status.st_size


@contextlib.contextmanager
def naming(model: Union[str, "os.PathLike[str]", bytes]) -> Iterator[None]:
    """Put the name of the model, where it has one, before what is wrong with it."""
    try:
        yield
    except ArtifactError as error:
        name = "model" if isinstance(model, bytes) else f"model '{model}'"
        raise ArtifactError(f"The {name} cannot be used. {error}") from None


def _in_words(error: OSError | ValueError, path: Union[str, "os.PathLike[str]"], kind: str) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"There is no {kind} '{path}'.")
    reason = error.strerror if isinstance(error, OSError) else error  # a name with a null character
    return InputError(f"The {kind} '{path}' cannot be read: {reason}.")
