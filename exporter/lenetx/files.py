"""Files on the disk: written whole or not at all."""

import codecs
import contextlib
import glob
import os
import secrets
import tempfile
from pathlib import Path

from .errors import InputError, OutputError
from .locking import is_abandoned, marked

__all__ = [
    "ARTIFACTS",
    "decode_text",
    "exists",
    "is_folder",
    "make_folder",
    "newest",
    "remove_leftovers",
    "require_writable",
    "write_atomically",
]

ARTIFACTS = Path("artifacts")
"""The folder, below the current one, where commands read and write by default."""

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_UNMARKED = {0: "utf-16-be", 1: "utf-16-le"}
"""By which of the first two bytes is zero: UTF-16 without a mark, the text beginning with a letter or a digit."""


def decode_text(content: bytes) -> str:
    """Return the text of a file in UTF-8 or UTF-16, with or without a byte order mark.

    Raises:
        UnicodeDecodeError: it is in another encoding.
    """
    unmarked = _UNMARKED.get(content[:2].find(0), "utf-8")
    return content.decode(next((name for mark, name in _MARKS.items() if content.startswith(mark)), unmarked))


def write_atomically(path: Path, data: bytes, *, named: Path | None = None) -> None:
    """Write beside ``path``, flush to the disk, then replace; an error names ``named`` if it is given.

    Raises:
        OutputError: the folder or the disk refuses; what stood at ``path`` still stands.
    """
    make_folder(path.parent)
    remove_leftovers(path)
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with contextlib.ExitStack() as stack:
            with staged.open("xb") as file:
                stack.enter_context(marked(staged))
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            staged.replace(path)
    except OSError as error:
        raise OutputError(f"'{named or path}' could not be written: {error.strerror}.") from None
    finally:
        with contextlib.suppress(OSError):
            staged.unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Remove what a process that was killed while it wrote ``path`` has left beside it."""
    with contextlib.suppress(OSError):
        for staged in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 8}.part"):
            if is_abandoned(staged):
                staged.unlink()


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
    try:
        if path.is_dir():
            raise OutputError(f"'{path}' is a directory, not a file to write.")
        existing = next(folder for folder in path.absolute().parents if folder.exists())
    except OSError as error:
        raise OutputError(f"'{path}' cannot be written: {error.strerror}.") from None
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise OutputError(f"Nothing can be written to '{existing}': {error.strerror}.") from None


def exists(path: Path) -> bool:
    """Return whether there is something at ``path``; a name that no file can have is nothing."""
    try:
        return path.exists()
    except OSError:
        return False


def newest(suffix: str, kind: str, folder: Path = ARTIFACTS) -> Path:
    """Return the file of that ending in ``folder`` that was written last.

    Raises:
        InputError: there is none.
    """
    files = (path for path in folder.glob(f"*{suffix}") if path.is_file())
    found = sorted(files, key=lambda path: path.stat().st_mtime_ns)
    if not found:
        raise InputError(f"There is no {kind} in '{folder}': run 'lenetx train' first, or name one.")
    return found[-1]


def is_folder(path: Path) -> bool:
    """Return whether there is a folder at ``path``; what cannot be looked at is none."""
    try:
        return path.is_dir()
    except OSError:
        return False
