"""Reading a file that a user named."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Union

from .errors import ArtifactError, InputError

__all__ = ["naming", "read_bytes", "require_file"]


def read_bytes(path: Path, kind: str, *, limit: int | None = None) -> bytes:
    """Read a whole regular file.

    Args:
        path: where it is.
        kind: what it should be, for the error.
        limit: the most bytes that are read.

    Raises:
        InputError: missing, a directory, a pipe or device, larger than the limit, or not readable.
    """
    with _in_words(path, kind):
        size = require_file(path, kind)
        if limit is not None and size > limit:
            raise InputError(f"The {kind} '{path}' is larger than {limit // 2**20} MiB.")
        return path.read_bytes()


def require_file(path: Path, kind: str) -> int:
    """Give the size in bytes of a regular file.

    Raises:
        InputError: missing, a directory, a pipe or device, or not to be looked at.
    """
    article = "an" if kind[0] in "aeiou" else "a"
    with _in_words(path, kind):
        status = path.stat()
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


@contextlib.contextmanager
def _in_words(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"There is no {kind} '{path}'.") from None
    except OSError as error:
        raise InputError(f"The {kind} '{path}' cannot be read: {error.strerror}.") from None
    except InputError:
        raise
    except ValueError as error:  # a name with a null character
        raise InputError(f"The {kind} '{path}' cannot be read: {error}.") from None
