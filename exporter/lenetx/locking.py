"""Lock files and folders; the operating system releases the locks when a process ends, even if it is killed."""

import contextlib
import errno
import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["held", "is_abandoned", "marked"]

_BUSY = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_TOLD_AFTER = 1.0
"""Seconds after which waiting is reported."""
_PAUSE = 0.05
_DAY = 24 * 3600.0


@contextlib.contextmanager
def held(folder: Path, on_progress: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold an exclusive lock on a folder, waiting for other holders; without locks in the file system, hold none.

    Args:
        folder: an existing folder.
        on_progress: called once if waiting takes longer than a second.
    """
    descriptor, began, told = _opened(folder), time.monotonic(), False
    try:
        while descriptor is not None and _taken(descriptor) is False:
            if not told and time.monotonic() - began > _TOLD_AFTER:
                on_progress(f"waiting for another lenetx, which publishes to '{folder}'")
                told = True
            time.sleep(_PAUSE)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextlib.contextmanager
def marked(path: Path) -> Iterator[None]:
    """Mark a file or folder as in use by a running process, for ``is_abandoned``."""
    descriptor = _opened(path)
    try:
        if descriptor is not None:
            _taken(descriptor)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def is_abandoned(path: Path, *, after: float = _DAY) -> bool:
    """Return whether no running process uses a file or folder any more.

    Args:
        path: a path that was ``marked``.
        after: seconds without a change after which it counts as abandoned if the file system supports no locks.
    """
    descriptor = _opened(path)
    free = None if descriptor is None else _taken(descriptor)
    if descriptor is not None:
        os.close(descriptor)
    if free is not None:
        return free
    try:
        return time.time() - path.stat().st_mtime > after
    except OSError:
        return False


def _opened(path: Path) -> int | None:
    """Open a file or folder for locking; return ``None`` if that is impossible, as on Windows."""
    if importlib.util.find_spec("fcntl") is None:
        return None
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None


def _taken(descriptor: int) -> bool | None:
    """Try to lock and return whether that worked; ``None`` without locks, as on some network file systems."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _BUSY else None
    return True
