"""From a data set to what the loop is fed: every image is read once, judged, counted and kept or left to stream."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec

from ..data import DataOptions, Dataset, Part, Split
from ..data.rows import LISTED, listed
from ..errors import DataError
from .memory import default_limit
from .reading import Reader, Task, usable_cpus
from .streamed import StreamedSplit
from .tensors import Inputs, to_device

__all__ = ["Prepared", "prepare"]

_PARTS = ("training", "validation", "test")
_BATCH_BYTES = 2**22
"""Of frames that are read at a time in the first pass."""
_MOST_WORKERS = 4


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data set ready for the loop.

    Attributes:
        train, validation, test: on the device, or streaming to it.
        spec: with the statistics of the training frames.
        skipped: how many rows were left out, of all parts.
    """

    train: Inputs
    validation: Inputs
    test: Inputs
    spec: ModelSpec
    skipped: int


@dataclass(frozen=True, slots=True)
class _Surveyed:
    """One part after the first pass.

    Attributes:
        rows: int64[N], those that can be used.
        frames: uint8[N, h, w] or uint8[N, h, w, 3], unless they stream.
        counts: int64[C, 256], how often each level is in the frames.
        digests: of the decoded images.
        unusable: why the other rows are.
    """

    rows: NDArray[np.int64]
    frames: NDArray[np.uint8] | None
    counts: NDArray[np.int64]
    digests: list[bytes]
    unusable: list[str]


def prepare(
    dataset: Dataset, spec: ModelSpec, device: torch.device, options: DataOptions, on_notice: Callable[[str], None]
) -> Prepared:
    """Read every image once and give the parts as the loop takes them, the same bits whether they stream or not.

    Args:
        dataset: the parts.
        spec: how images are framed; its mean and std are found here.
        device: where batches go.
        options: what to do with rows that cannot be used, and what may lie in memory.
        on_notice: told what a user should know, a sentence at a time.

    Raises:
        DataError: rows cannot be used and are not to be skipped, or none is left in a part.
    """
    parts: tuple[Part, ...] = (dataset.train, dataset.validation, dataset.test)
    size = sum(map(len, parts)) * int(np.prod(spec.input_shape))
    limit = options.memory_limit or default_limit(device)
    streams = size > limit
    workers = options.workers
    if workers is None:
        workers = min(_MOST_WORKERS, usable_cpus()) if streams else 0
    reader = Reader(parts, spec, workers)
    surveyed = [_survey(reader, number, part, spec, keep=not streams) for number, part in enumerate(parts)]
    unusable = [*dataset.unusable, *(words for each in surveyed for words in each.unusable)]
    if unusable and not options.skip_bad:
        raise DataError(listed(dataset.name, unusable, "; mend them or leave them out with --skip-bad"))
    for name, each in zip(_PARTS, surveyed, strict=True):
        if not len(each.rows):
            raise DataError(f"No image of the {name} part of '{dataset.name}' can be used.")
    spec = _with_statistics(spec, surveyed[0].counts)
    labels = [part.labels[each.rows] for part, each in zip(parts, surveyed, strict=True)]
    for sentence in (
        *dataset.notices,
        *([listed(dataset.name, unusable, "; training goes on without")] if unusable else []),
        *_missing_classes(dataset.class_names, labels),
        *_shared(parts, surveyed),
        *([f"The images take {size:,} bytes, over the limit of {limit:,}: they stream."] if streams else []),
    ):
        on_notice(sentence)
    ready = [_place(reader, number, each, spec, device, labels[number]) for number, each in enumerate(surveyed)]
    return Prepared(ready[0], ready[1], ready[2], spec, len(unusable))


def _place(
    reader: Reader, number: int, part: _Surveyed, spec: ModelSpec, device: torch.device, labels: NDArray[np.int64]
) -> Inputs:
    if part.frames is None:
        return StreamedSplit(reader, number, part.rows, torch.from_numpy(labels), spec, device)
    return to_device(Split(part.frames, labels), spec, device)


def _survey(reader: Reader, number: int, part: Part, spec: ModelSpec, *, keep: bool) -> _Surveyed:
    pixel = () if spec.channels == 1 else (spec.channels,)
    kept = np.empty((len(part), *spec.frame_size, *pixel), np.uint8) if keep else None
    counts = np.zeros((spec.channels, 256), np.int64)
    digests: list[bytes] = []
    usable: list[int] = []
    unusable: list[str] = []
    batches = list(_batches(len(part), spec))
    for rows, read in zip(batches, reader.read([Task(number, rows, digests=True) for rows in batches]), strict=True):
        good = np.array([place for place in range(len(rows)) if place not in read.problems], np.int64)
        unusable += [f"{part.name(int(rows[place]))}: {problem}" for place, problem in read.problems.items()]
        frames = read.images if len(good) == len(rows) else read.images[good]
        if kept is not None:
            kept[len(usable) : len(usable) + len(good)] = frames
        for channel, plane in enumerate(np.moveaxis(frames, 3, 0) if spec.channels > 1 else frames[None]):
            counts[channel] += np.bincount(plane.ravel(), minlength=256)
        digests += [read.digests[place] for place in good.tolist()]
        usable += rows[good].tolist()
    frames_kept = None if kept is None else kept[: len(usable)]
    return _Surveyed(np.array(usable, np.int64), frames_kept, counts, digests, unusable)


def _batches(count: int, spec: ModelSpec) -> Iterator[NDArray[np.int64]]:
    size = max(1, _BATCH_BYTES // int(np.prod(spec.input_shape)))
    return (np.arange(start, min(start + size, count)) for start in range(0, count, size))


def _missing_classes(class_names: Sequence[str], labels: Sequence[NDArray[np.int64]]) -> Iterator[str]:
    for part, numbers in zip(_PARTS, labels, strict=True):
        there = np.bincount(numbers, minlength=len(class_names))
        missing = [name for name, count in zip(class_names, there, strict=True) if not count]
        if missing:
            more = f" and {len(missing) - LISTED} more" if len(missing) > LISTED else ""
            yield f"The {part} part has no image of {', '.join(missing[:LISTED])}{more}."


def _shared(parts: Sequence[Part], surveyed: Sequence[_Surveyed]) -> Iterator[str]:
    """Say which test images, by their decoded levels, are training images too."""
    train, test = surveyed[0], surveyed[2]
    first = dict(zip(reversed(train.digests), reversed(train.rows.tolist()), strict=True))
    found = [
        (row, first[digest]) for row, digest in zip(test.rows.tolist(), test.digests, strict=True) if digest in first
    ]
    if found:
        pairs = ", ".join(f"{parts[2].name(row)} (as {parts[0].name(other)})" for row, other in found[:3])
        more = ", …" if len(found) > 3 else ""
        yield (
            f"{len(found):,} of {len(test.rows):,} test images are training images too, so the test flatters: "
            f"{pairs}{more}."
        )


def _with_statistics(spec: ModelSpec, counts: NDArray[np.int64]) -> ModelSpec:
    """Set mean and standard deviation of each channel of the frames, on a scale of 1 and to four digits.

    The deviation of a channel that is the same everywhere is set to 1.
    """
    found = [_statistics(levels) for levels in counts]
    return dataclasses.replace(spec, mean=tuple(mean for mean, _ in found), std=tuple(std or 1.0 for _, std in found))


def _statistics(levels: NDArray[np.int64]) -> tuple[float, float]:
    share = levels / levels.sum()
    grey = np.arange(256) / 255
    mean = float((share * grey).sum())
    return round(mean, 4), round(float(np.sqrt((share * (grey - mean) ** 2).sum())), 4)
