"""Several files that appear in a folder in one step, whenever the process is killed.

They are written to a staging folder beside their places. Then a journal is put there, with one rename: from that moment
on they are published, and whoever comes next finishes what a killed process has not. Without a journal nothing has been
touched, and the staging folder only has to go. An error on the way turns the journal round, and the old files, which
have second names in the staging folder, go back to their places.
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
from ..formats import FORMATS, suffix
from ..locking import held, is_abandoned, marked
from .manifest import MANIFEST

__all__ = ["move_into_place", "settled", "staging", "tidy_up"]

_PREFIX = ".lenetx-"
_FORWARD, _BACK = "journal.json", "journal.back.json"
_OLD = "old"
_ENDINGS = (*map(suffix, FORMATS), certificate_path(Path("x")).name[1:])
"""Of the names of published files, but for the manifest."""
_LARGEST = 2**20
"""Bytes of a journal, which has a few names."""
_LONGEST = 255
"""Bytes of a name: no file system here has longer ones."""
_MOVED_WITHIN = 60.0
"""Seconds that renaming takes at most."""

_in_use: set[Path] = set()
"""The staging folders of this process."""


@dataclass(frozen=True, slots=True)
class _Journal:
    """The names of the files to replace, in their order, and which of them replace nothing."""

    names: tuple[str, ...]
    fresh: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> "_Journal | None":
        """Read a journal; ``None`` where there is none, or it names other files than a publication replaces."""
        try:
            document = json.loads(read_bytes(path, "journal", limit=_LARGEST))
            journal = cls(tuple(document["names"]), tuple(document["fresh"]))
        except (InputError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return journal if all(map(_is_ours, journal.names + journal.fresh)) else None

    def to_bytes(self) -> bytes:
        return json.dumps({"names": self.names, "fresh": self.fresh}).encode()


def _is_ours(name: object) -> bool:
    """Return whether a publication could replace a file of this name: nobody's journal touches any other."""
    if not isinstance(name, str) or Path(name).name != name or not (name == MANIFEST or name.endswith(_ENDINGS)):
        return False
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return b"\0" not in encoded and len(encoded) <= _LONGEST


@contextlib.contextmanager
def staging(folder: Path, on_progress: Callable[[str], None] = lambda _: None) -> Iterator[Path]:
    """Make a folder beside the artifacts, on their file system, so that renames are all that publishing takes.

    Raises:
        OutputError: it cannot be made.
    """
    new = [parent for parent in (folder, *folder.parents) if not exists(parent)]
    make_folder(folder)
    done = False
    with contextlib.ExitStack() as stack:
        with settled(folder, on_progress):
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
    """Remove this process's staging folders, but for what the next command has to finish or undo: for a sudden end."""
    for path in list(_in_use):
        _remove(path)


def _remove(path: Path) -> None:
    if not exists(path / _FORWARD) and not exists(path / _BACK):
        shutil.rmtree(path, ignore_errors=True)
    _in_use.discard(path)


def move_into_place(staged: Path, names: Sequence[str], folder: Path) -> None:
    """Replace all files of these names by those in the staging folder, or none; the caller holds the folder.

    Args:
        staged: the staging folder.
        names: of the files, in the order in which they are replaced.
        folder: where they go.

    Raises:
        OutputError: one could not be replaced; what stood there stands.
    """
    target = folder
    try:
        (staged / _OLD).mkdir()
        for name in names:
            target = folder / name
            _keep(target, staged / _OLD)
        fresh = tuple(name for name in names if not exists(staged / _OLD / name))
        write_atomically(staged / _FORWARD, _Journal(tuple(names), fresh).to_bytes())
        for name in names:
            target = folder / name
            (staged / name).replace(target)
        (staged / _FORWARD).unlink()
    except BaseException as error:  # an interrupt too
        _undo(staged, folder)
        if isinstance(error, OSError):
            raise OutputError(f"'{target}' could not be replaced: {error.strerror}.") from None
        raise


@contextlib.contextmanager
def settled(folder: Path, on_progress: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold a folder in which nothing is half-done: what a killed process has left there is finished or undone first.

    Args:
        folder: that exists.
        on_progress: told that another process has to be waited for.

    Raises:
        OutputError: what was begun could not be finished.
    """
    with held(folder, on_progress):
        for staged in _left(folder):
            _settle(staged, folder)
        yield


def _settle(staged: Path, folder: Path) -> None:
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
    """List the staging folders whose processes have ended."""
    try:
        found = [each for each in sorted(folder.iterdir()) if each.name.startswith(_PREFIX)]
        return [each for each in found if not each.is_symlink() and each.is_dir() and _is_left(each)]
    except OSError:
        return []


def _is_left(staged: Path) -> bool:
    begun = exists(staged / _FORWARD) or exists(staged / _BACK)
    return is_abandoned(staged, after=_MOVED_WITHIN) if begun else is_abandoned(staged)


def _undo(staged: Path, folder: Path) -> None:
    """Turn the journal round, then go back; what cannot be undone now is undone by whoever comes next."""
    with contextlib.suppress(OSError):
        if (journal := _Journal.read(staged / _FORWARD)) is not None:
            (staged / _FORWARD).replace(staged / _BACK)
            _put_back(staged, journal, folder)
            (staged / _BACK).unlink()


def _put_back(staged: Path, journal: _Journal, folder: Path) -> None:
    for name in journal.names:
        if name not in journal.fresh and (staged / _OLD / name).is_file():
            (staged / _OLD / name).replace(folder / name)
        elif name in journal.fresh and not exists(staged / name):
            (folder / name).unlink(missing_ok=True)


def _keep(target: Path, aside: Path) -> None:
    """Return the old file another name without taking its own away: whoever opens it meanwhile finds it."""
    if not exists(target):
        return
    try:
        (aside / target.name).hardlink_to(target)
    except OSError:  # a file system without hard links
        shutil.copy2(target, aside / target.name)


def _remove_if_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
