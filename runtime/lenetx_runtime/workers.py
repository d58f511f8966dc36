"""A few threads that work through parts in their order, for one :class:`~lenetx_runtime.classifier.Classifier`."""

import collections
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["Workers"]

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

_AHEAD = 2
"""Parts for each thread that may be asked for before the first of them is given back."""


class Workers:
    """Threads that are started when there is first something to share, and anew in a process that was forked.

    Args:
        count: how many at once; with one, everything runs in the thread that asks.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0

    def map(self, work: Callable[[_Given], _Made], parts: Iterable[_Given]) -> Iterator[_Made]:
        """Give what becomes of each part, in their order.

        What the parts or the work raise comes in its place, behind all that is before it, and ends it.
        """
        if self.count == 1:
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
        pool = self._started()
        waiting: collections.deque[Future[_Made]] = collections.deque()
        try:
            for part in parts:
                waiting.append(pool.submit(work, part))
                while waiting and (len(waiting) > _AHEAD * self.count or waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End the threads when they have done what they do; they are started again if they are needed again."""
        pool, self._pool = self._pool, None
        if pool is not None and self._process == os.getpid():
            pool.shutdown(cancel_futures=True)

    def _started(self) -> "ThreadPoolExecutor":
        from concurrent.futures import ThreadPoolExecutor

        pool = self._pool
        if pool is None or self._process != os.getpid():  # threads do not follow into a fork
            self._process = os.getpid()
            self._pool = pool = ThreadPoolExecutor(self.count, thread_name_prefix="lenetx")
        return pool


def _until_it_fails(parts: Iterable[_Given], problem: list[Exception]) -> Iterator[_Given]:
    """Give the parts; what they raise is kept, so that what is before it can be given back first."""
    try:
        yield from parts
    except Exception as error:  # whatever someone's own iterator raises
        problem.append(error)
