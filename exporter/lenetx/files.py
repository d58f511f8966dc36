"""Find and decode files, and write them atomically."""

import codecs
import contextlib
import glob
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import EngineMissing, InputError, OutputError
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
    "temporary_folder",
    "write_atomically",
]

ARTIFACTS = Path("artifacts")
"""The default folder of the commands, relative to the current one."""

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_UNMARKED = {0: "utf-16-be", 1: "utf-16-le"}
"""UTF-16 without a byte order mark, by the position of the first zero byte in a text that starts with ASCII."""


def decode_text(content: bytes) -> str:
    """Return the text of a file in UTF-8 or UTF-16, with or without a byte order mark.

    Raises:
        UnicodeDecodeError: the file has another encoding.
    """
    unmarked = _UNMARKED.get(content[:2].find(0), "utf-8")
    return content.decode(next((name for mark, name in _MARKS.items() if content.startswith(mark)), unmarked))


def write_atomically(path: Path, data: bytes, *, named: Path | None = None) -> None:
    """Write a file atomically: write a sibling of ``path``, flush it to disk, then replace ``path``.

    Args:
        path: the file to write.
        data: its content.
        named: the path to name in errors; defaults to ``path``.

    Raises:
        OutputError: the file cannot be written; an existing file at ``path`` is kept.
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
    """Remove temporary files left by processes that were killed while writing ``path``."""
    with contextlib.suppress(OSError):
        for staged in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 8}.part"):
            if is_abandoned(staged):
                staged.unlink()


def make_folder(folder: Path) -> None:
    """Create a folder and its parents.

    Raises:
        OutputError: the folder cannot be created, or a file of that name exists.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder '{folder}' could not be made: {error.strerror}.") from None


def require_writable(path: Path) -> None:
    """Check, before hours of work, that ``path`` can be written.

    Raises:
        OutputError: the path is a directory, or its folder cannot be created or written to.
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


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Return a folder that is removed at the end, for files that other programs read, or that are run.

    Raises:
        EngineMissing: it cannot be written, is full, or a program in it cannot be started.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="lenetx-", ignore_cleanup_errors=True) as name:
            yield Path(name)
    except OSError as error:
        reason = str(error.strerror or error).rstrip(".")
        raise EngineMissing(
            f"The folder for temporary files ({tempfile.tempdir or 'none was found'}) cannot be used: "
            f"{reason}. If it is full or does not run programs, set TMPDIR to another."
        ) from None


def exists(path: Path) -> bool:
    """Return whether ``path`` exists; False for a name that the file system rejects."""
    try:
        return path.exists()
    except OSError:
        return False


def newest(suffix: str, kind: str, folder: Path = ARTIFACTS) -> Path:
    """Return the most recently written file with a suffix in ``folder``; ``kind`` names it in the error.

    Raises:
        InputError: there is no such file.
    """
    files = (path for path in folder.glob(f"*{suffix}") if path.is_file())
    found = sorted(files, key=lambda path: path.stat().st_mtime_ns)
    if not found:
        raise InputError(f"There is no {kind} in '{folder}': run 'lenetx train' first, or name one.")
    return found[-1]


def is_folder(path: Path) -> bool:
    """Return whether ``path`` is a folder; False if it is not accessible."""
    try:
        return path.is_dir()
    except OSError:
        return False
