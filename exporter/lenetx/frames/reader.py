"""Read frames of a few images at a time, in this process or in workers, with the same bits."""

import contextlib
import hashlib
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import frame, frame_batch

from ..data import FileSplit, Part, Split
from ..errors import InputError, LenetxError

__all__ = ["Frames", "Reader", "Task", "worker_deaths_as_errors"]

_DEATH = re.compile(r"DataLoader worker \(pid\(?s?\)?")


@dataclass(frozen=True, slots=True)
class Task:
    """Images to read.

    Attributes:
        part: number of the part.
        rows: rows of the part, int64[B].
        digests: whether to compute a digest of each image.
    """

    part: int
    rows: NDArray[np.int64]
    digests: bool = False


@dataclass(frozen=True, slots=True)
class Frames:
    """Result of a task.

    Attributes:
        images: frames uint8[B, h, w] or uint8[B, h, w, 3]; black for an unusable image.
        digests: digest of each image's decoded levels, if the task requests them.
        problems: why an image is unusable, by its index in the batch.
    """

    images: NDArray[np.uint8]
    digests: tuple[bytes, ...] = ()
    problems: dict[int, str] = field(default_factory=dict)


class Reader:
    """Read frames of several parts in order, ahead of their use if there are workers.

    Workers are spawned, because a fork of a process with torch's threads or CUDA may hang, and they live for all
    passes. They return frames through a pipe, because containers often have little shared memory.

    Args:
        parts: the parts, which tasks number from 0.
        spec: defines the framing; its statistics are not used.
        workers: number of processes that decode files; arrays are always framed in this process.
    """

    def __init__(self, parts: Sequence[Part], spec: ModelSpec, workers: int) -> None:
        self._source = _Source(tuple(parts), spec)
        self._tasks = _Tasks()
        self._loader: DataLoader[Frames] | None = None
        if workers and any(isinstance(part, FileSplit) for part in parts):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than CPUs
                self._loader = DataLoader(
                    self._source,
                    batch_sampler=self._tasks,
                    num_workers=workers,
                    collate_fn=_only,
                    multiprocessing_context="spawn",
                    persistent_workers=True,
                    generator=torch.Generator(),  # each pass draws a seed; keep the caller's random state
                )

    def read(self, tasks: Iterable[Task]) -> Iterator[Frames]:
        """Return the frames of each task, in order; only one pass may run at a time."""
        if self._loader is None:
            return map(self._source.__getitem__, tasks)
        self._tasks.tasks = tasks
        return iter(self._loader)


@contextlib.contextmanager
def worker_deaths_as_errors() -> Iterator[None]:
    """Convert the RuntimeError that torch raises after a worker died to a LenetxError."""
    try:
        yield
    except RuntimeError as error:
        if not _DEATH.match(str(error)):
            raise
        reason = " ".join(str(error).split()).rstrip(".")
        raise LenetxError(
            f"A process that decodes images has died: {reason}; try fewer --workers, or 0. "
            "A script needs its usual 'if __name__ == \"__main__\":' around what starts workers."
        ) from None


class _Source(Dataset[Frames]):
    """The data set that each worker has a copy of: it maps a task to its frames."""

    def __init__(self, parts: tuple[Part, ...], spec: ModelSpec) -> None:
        self._parts, self._spec = parts, spec

    def __getitem__(self, task: Task) -> Frames:
        part, spec = self._parts[task.part], self._spec
        if isinstance(part, Split):
            images = part.images[task.rows]
            with contextlib.suppress(InputError):  # read one by one to find the unusable images
                return Frames(frame_batch(images, spec), tuple(map(_digest, images)) if task.digests else ())
        return _one_by_one(part, task, spec)


class _Tasks(Sampler[list[Task]]):
    """The tasks of the next pass, as batches of one."""

    tasks: Iterable[Task] = ()

    def __iter__(self) -> Iterator[list[Task]]:
        return ([task] for task in self.tasks)


def _one_by_one(part: Part, task: Task, spec: ModelSpec) -> Frames:
    pixel = () if spec.channels == 1 else (spec.channels,)
    images = np.zeros((len(task.rows), *spec.frame_size, *pixel), np.uint8)
    digests, problems = [b""] * len(images), {}
    for place, row in enumerate(task.rows.tolist()):
        try:
            levels = part.levels(row, spec.channels)
            images[place] = frame(levels, spec)
            if task.digests:
                digests[place] = _digest(levels)
        except InputError as error:
            problems[place] = str(error).rstrip(".")
    return Frames(images, tuple(digests), problems)


def _digest(levels: NDArray[np.uint8]) -> bytes:
    digest = hashlib.sha256(b"%d " * levels.ndim % levels.shape)
    digest.update(np.ascontiguousarray(levels).data)
    return digest.digest()[:16]


def _only(read: list[Frames]) -> Frames:
    return read[0]
