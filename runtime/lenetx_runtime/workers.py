"""Split the images of a call into parts, and process them in order with a few threads."""

import collections
import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from .errors import InputError, LenetxError
from .preprocess import Image

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from numpy.typing import NDArray

__all__ = ["CLOSED", "Part", "Workers", "is_open_file", "parts_of", "require_several"]

CLOSED = "This Classifier is closed: open the model again."

Part: TypeAlias = "tuple[int, Sequence[Image]]"
"""The position of the first image, and the images."""

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

_AHEAD = 1
"""Number of parts that wait for a thread."""
_here = threading.local()
"""Marks worker threads: one that shared its work again would wait for itself."""


class Workers:
    """Run work on ``count`` threads, started on first use and after a fork; 1 is the calling thread."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: tuple[int, ThreadPoolExecutor] | None = None
        self._is_closed = False

    def together(self, work: Callable[[_Given], _Made], parts: Iterable[_Given]) -> list[_Made]:
        """Return the results of ``work`` on each part, in order; the calling thread works too.

        After an error no further part is started; the error of the first failed part is raised when all have finished.

        Raises:
            LenetxError: it is closed, and there is work to share.
        """
        todo = collections.deque(enumerate(parts))
        if self.count == 1 or len(todo) < 2 or getattr(_here, "is_worker", False):
            return [work(part) for _, part in todo]
        made: dict[int, _Made] = {}
        problems: dict[int, Exception] = {}

        def help_out() -> None:
            while todo:
                try:
                    position, part = todo.popleft()
                except IndexError:  # another thread took it
                    return
                try:
                    made[position] = work(part)
                except Exception as error:  # raised again by the caller
                    problems[position] = error
                    todo.clear()

        self._with_helpers(help_out, min(self.count, len(todo)) - 1, todo.clear)
        try:
            if problems:
                raise problems[min(problems)]
            return [made[position] for position in sorted(made)]
        finally:  # the error and helpers hold this frame: a cycle
            problems.clear()
            made.clear()

    def _with_helpers(self, work: Callable[[], None], helpers: int, stop: Callable[[], None]) -> None:
        from concurrent.futures import wait

        pool = self._started()
        futures: list[Future[None]] = []
        _here.is_worker = True
        try:
            with contextlib.suppress(RuntimeError):  # no thread can be started: this one does everything
                futures.extend(self._submitted(pool, lambda _: work(), None) for _ in range(helpers))
            work()
        finally:
            _here.is_worker = False
            stop()
            begun = [future for future in futures if not future.cancel()]
            wait(begun)
        for future in begun:
            future.result()  # raises what ended a thread

    def map(self, work: Callable[[_Given], _Made], parts: Iterable[_Given]) -> Iterator[_Made]:
        """Yield the results of ``work`` on each part, in order; at most one more part than threads is in progress.

        An error of ``parts`` or ``work`` is raised after the results before it, and ends the iteration.

        Raises:
            LenetxError: it is closed before the last result.
        """
        if self.count == 1 or getattr(_here, "is_worker", False):
            yield from map(work, parts)
            return
        problem: list[Exception] = []
        left = _until_it_fails(parts, problem)
        first = list(itertools.islice(left, 2))
        if len(first) < 2:
            yield from map(work, first)
        else:
            yield from self._share(work, itertools.chain(first, left))
        if problem:
            raise problem[0]

    def _share(self, work: Callable[[_Given], _Made], parts: Iterable[_Given]) -> Iterator[_Made]:
        from concurrent.futures import CancelledError

        pool = self._started()
        waiting: collections.deque[Future[_Made]] = collections.deque()
        try:
            for part in parts:
                waiting.append(self._submitted(pool, work, part))
                while waiting and (len(waiting) > self.count + _AHEAD or waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except CancelledError:
            raise LenetxError(CLOSED) from None
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """Stop each thread when its current work is done."""
        self._is_closed = True
        started, self._pool = self._pool, None
        if started is not None and started[0] == os.getpid():
            started[1].shutdown(cancel_futures=True)

    def _submitted(self, pool: "ThreadPoolExecutor", work: Callable[[_Given], _Made], part: _Given) -> "Future[_Made]":
        try:
            return pool.submit(work, part)
        except RuntimeError:  # of a pool that was shut down
            if self._is_closed:
                raise LenetxError(CLOSED) from None
            raise

    def _started(self) -> "ThreadPoolExecutor":
        from concurrent.futures import ThreadPoolExecutor

        if self._is_closed:
            raise LenetxError(CLOSED)
        started = self._pool
        if started is None or started[0] != os.getpid():  # a fork has no threads
            pool = ThreadPoolExecutor(self.count, thread_name_prefix="lenetx", initializer=_mark)
            self._pool = started = os.getpid(), pool
        return started[1]


def _mark() -> None:
    _here.is_worker = True


def _until_it_fails(parts: Iterable[_Given], problem: list[Exception]) -> Iterator[_Given]:
    """Yield the parts; keep their error for later."""
    try:
        yield from parts
    except Exception as error:  # an iterator may raise anything
        problem.append(error)


def parts_of(images: "Iterable[Image] | NDArray[Any]", size: int) -> Iterator[Part]:
    """Yield ``size`` images at a time with the position of the first; images read before an error are yielded first."""
    import numpy as np

    if isinstance(images, list | tuple | np.ndarray):
        for start in range(0, len(images), size):
            yield start, images[start : start + size]  # type: ignore[misc]  # an array is a sequence of images too
        return
    part: list[Image] = []
    start = 0
    try:
        for image in images:
            part.append(image)
            if len(part) == size:
                yield start, part
                start, part = start + size, []
    except Exception:  # an iterator may raise anything
        if part:
            yield start, part
        raise
    if part:
        yield start, part


def is_open_file(image: Any) -> bool:
    """Return whether it is a file object or a Pillow image still to be read from one."""
    return hasattr(image, "read") or getattr(image, "fp", None) is not None


def require_several(images: Any, method: str) -> None:
    """Check that several images were given.

    Raises:
        InputError: it is one image, or none at all.
    """
    if isinstance(images, str | bytes | os.PathLike) or hasattr(images, "getbands"):
        name = f"'{images}'" if isinstance(images, str | os.PathLike) else type(images).__name__
        raise InputError(f"{method} takes several images, not {name} alone: that is for predict.")
    if getattr(images, "ndim", None) == 3 and images.shape[2] in (3, 4):
        raise InputError(f"{method} takes several images, not one of shape {images.shape}: that is for predict.")
    if not isinstance(images, Iterable) or getattr(images, "ndim", 1) == 0:
        raise InputError(f"{method} takes several images, not {type(images).__name__}.")
