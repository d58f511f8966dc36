"""Writing a file whole or not at all."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from .errors import InputError, OutputError

__all__ = ["make_folder", "read_bytes", "require_writable", "write_atomically"]


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside ``path``, flush to the disk, then replace.

    Raises:
        OutputError: the folder or the disk refuses; what stood at ``path`` still stands.
    """
    make_folder(path.parent)
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with staged.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    except OSError as error:
        raise OutputError(f"'{path}' could not be written: {error.strerror}.") from None
    finally:
        with contextlib.suppress(OSError):
            staged.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        OutputError: it cannot be made, or a file of that name is there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder '{folder}' could not be made: {error.strerror}.") from None


def require_writable(path: Path) -> None:
    """Find out before hours of work whether ``path`` can be written at their end.

    Raises:
        OutputError: it is a directory, or its folder cannot be made or written to.
    """
    if path.is_dir():
        raise OutputError(f"'{path}' is a directory, not a file to write.")
    existing = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise OutputError(f"Nothing can be written to '{existing}': {error.strerror}.") from None


def read_bytes(path: Path, kind: str) -> bytes:
    """Read a whole file; ``kind`` says in the error what it should have been.

    Raises:
        InputError: missing, a directory, or not readable.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"There is no {kind} '{path}'.") from None
    except IsADirectoryError:
        raise InputError(f"'{path}' is a directory, not a {kind}.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"The {kind} '{path}' cannot be read: {getattr(error, 'strerror', error)}.") from None
