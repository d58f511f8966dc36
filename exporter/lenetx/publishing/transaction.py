"""Replace several files in a folder in one step, even if the process is killed.

The files are first written to a staging folder beside their targets. Then one rename puts a journal there, which is the
commit: if the process is killed afterwards, the next process finishes the renames. Without a journal no target has been
touched, and the staging folder is just removed. On an error, the journal is renamed to mean "undo", and the old files,
which are hard-linked in the staging folder, are moved back.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lenetx_runtime.certificate import certificate_path
from lenetx_runtime.files import read_bytes

from ..errors import InputError, OutputError
from ..files import exists, make_folder, write_atomically
from ..formats import COMPANIONS, FORMATS, suffix
from ..locking import held, is_abandoned, marked
from .manifest import MANIFEST

__all__ = ["lock_and_recover", "move_into_place", "staging", "tidy_up"]

_PREFIX = ".lenetx-"
_FORWARD, _BACK = "journal.json", "journal.back.json"
_OLD = "old"
_ENDINGS = (*map(suffix, FORMATS), *COMPANIONS.values(), certificate_path(Path("x")).name[1:])
"""Suffixes of published files other than the manifest."""
_LARGEST = 2**20
"""Maximum size of a journal in bytes."""
_LONGEST = 255
"""Maximum length of a file name, in bytes, that supported file systems allow."""
_MOVED_WITHIN = 60.0
"""Maximum time that the renames may take, in seconds."""

_in_use: set[Path] = set()
"""This process's staging folders."""


@dataclass(frozen=True, slots=True)
class _Journal:
    """The names of the files to publish, in order, and which of them do not replace an old file."""

    names: tuple[str, ...]
    created: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> "_Journal | None":
        """Read a journal; return ``None`` if it is missing or invalid, or names files that are never published."""
        try:
            document = json.loads(read_bytes(path, "journal", limit=_LARGEST))
            journal = cls(tuple(document["names"]), tuple(document["fresh"]))
        except (InputError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return journal if all(map(_is_ours, journal.names + journal.created)) else None

    def to_bytes(self) -> bytes:
        return json.dumps({"names": self.names, "fresh": self.created}).encode()


def _is_ours(name: object) -> bool:
    """Return whether a file of this name can be a published one; a journal must not touch any other file."""
    if not isinstance(name, str) or Path(name).name != name or not (name == MANIFEST or name.endswith(_ENDINGS)):
        return False
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return b"\0" not in encoded and len(encoded) <= _LONGEST


@contextlib.contextmanager
def staging(folder: Path, on_progress: Callable[[str], None] = lambda _: None) -> Iterator[Path]:
    """Create a staging folder inside ``folder``, on the same file system, so that publishing only takes renames.

    Yields:
        Its path. It is removed afterwards, and so are parent folders created here if the body raises.

    Raises:
        OutputError: the folder cannot be created.
    """
    new = [parent for parent in (folder, *folder.parents) if not exists(parent)]
    make_folder(folder)
    done = False
    with contextlib.ExitStack() as stack:
        with lock_and_recover(folder, on_progress):
            try:
                path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
            except OSError as error:
                raise OutputError(f"Nothing can be written to '{folder}': {error.strerror}.") from None
            stack.enter_context(marked(path))
        _in_use.add(path)
        try:
            yield path
            done = True
        finally:
            _remove(path)
            if not done:
                _remove_if_empty(new)


def tidy_up() -> None:
    """Remove this process's staging folders before a sudden exit, except those the next command must finish or undo."""
    for path in list(_in_use):
        _remove(path)


def _remove(path: Path) -> None:
    if not exists(path / _FORWARD) and not exists(path / _BACK):
        shutil.rmtree(path, ignore_errors=True)
    _in_use.discard(path)


def move_into_place(staged: Path, names: Sequence[str], folder: Path) -> None:
    """Move files from the staging folder into place, all or none; the caller must hold the lock of ``folder``.

    Args:
        staged: the staging folder.
        names: the file names, in the order in which they are replaced.
        folder: the target folder.

    Raises:
        OutputError: a file could not be replaced; the old files are back in place.
    """
    target = folder
    try:
        (staged / _OLD).mkdir()
        for name in names:
            target = folder / name
            _keep(target, staged / _OLD)
        created = tuple(name for name in names if not exists(staged / _OLD / name))
        write_atomically(staged / _FORWARD, _Journal(tuple(names), created).to_bytes())
        for name in names:
            target = folder / name
            (staged / name).replace(target)
        (staged / _FORWARD).unlink()
    except BaseException as error:  # KeyboardInterrupt too
        _undo(staged, folder)
        if isinstance(error, OSError):
            raise OutputError(f"'{target}' could not be replaced: {error.strerror}.") from None
        raise


@contextlib.contextmanager
def lock_and_recover(folder: Path, on_progress: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold the lock of a folder, and first finish or undo what a killed process has left there.

    Args:
        folder: an existing folder.
        on_progress: called with a message while waiting for another process.

    Raises:
        OutputError: an unfinished publication could not be finished or undone.
    """
    with held(folder, on_progress):
        for staged in _left(folder):
            _recover(staged, folder)
        yield


def _recover(staged: Path, folder: Path) -> None:
    forward, back = _Journal.read(staged / _FORWARD), _Journal.read(staged / _BACK)
    try:
        if back is not None:
            _put_back(staged, back, folder)
        elif forward is not None:
            for name in forward.names:
                if (staged / name).is_file() and not (staged / name).is_symlink():
                    (staged / name).replace(folder / name)
    except OSError as error:
        raise OutputError(
            f"What was being published to '{folder}' when its process ended could not be finished: {error.strerror}. "
            f"Move '{error.filename2 or error.filename or folder}' away, or delete '{staged}' to give it up."
        ) from None
    shutil.rmtree(staged, ignore_errors=True)


def _left(folder: Path) -> list[Path]:
    """Return the staging folders whose processes have ended."""
    try:
        found = [each for each in sorted(folder.iterdir()) if each.name.startswith(_PREFIX)]
        return [each for each in found if not each.is_symlink() and each.is_dir() and _is_left(each)]
    except OSError:
        return []


def _is_left(staged: Path) -> bool:
    begun = exists(staged / _FORWARD) or exists(staged / _BACK)
    return is_abandoned(staged, after=_MOVED_WITHIN) if begun else is_abandoned(staged)


def _undo(staged: Path, folder: Path) -> None:
    """Mark the journal as "undo" and move the old files back; the next process undoes what fails now."""
    with contextlib.suppress(OSError):
        if (journal := _Journal.read(staged / _FORWARD)) is not None:
            (staged / _FORWARD).replace(staged / _BACK)
            _put_back(staged, journal, folder)
            (staged / _BACK).unlink()


def _put_back(staged: Path, journal: _Journal, folder: Path) -> None:
    for name in journal.names:
        if name not in journal.created and (staged / _OLD / name).is_file():
            (staged / _OLD / name).replace(folder / name)
        elif name in journal.created and not exists(staged / name):
            (folder / name).unlink(missing_ok=True)


def _keep(target: Path, aside: Path) -> None:
    """Hard-link or copy the old file into ``aside``; it stays in place for readers until it is replaced."""
    if not exists(target):
        return
    try:
        (aside / target.name).hardlink_to(target)
    except OSError:  # the file system has no hard links
        shutil.copy2(target, aside / target.name)


def _remove_if_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
