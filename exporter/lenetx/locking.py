"""Locks on files and folders, which the operating system takes away from a process that ends, however it ends."""

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
"""Seconds of waiting, after which it is said."""
_PAUSE = 0.05
_DAY = 24 * 3600.0


@contextlib.contextmanager
def held(folder: Path, on_progress: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Keep all others that ask for the same folder waiting.

    Where the file system has no such locks, nobody waits.

    Args:
        folder: that exists.
        on_progress: told that there is somebody to wait for.
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
    """Mark a file or folder as one that a living process works on, for ``is_abandoned``."""
    descriptor = _opened(path)
    try:
        if descriptor is not None:
            _taken(descriptor)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def is_abandoned(path: Path, *, after: float = _DAY) -> bool:
    """Check whether nobody works on a file or folder any more.

    Args:
        path: what was ``marked``.
        after: seconds without a change after which it is so where the file system has no locks that could tell.
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
    """Open a file or folder to be locked; ``None`` where that cannot be, as on Windows."""
    if importlib.util.find_spec("fcntl") is None:
        return None
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None


def _taken(descriptor: int) -> bool | None:
    """Try to lock; ``None`` where the file system, such as some network ones, has no such locks."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _BUSY else None
    return True
