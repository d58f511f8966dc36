"""Prepare a data set for the loop: read and check every image once, then keep the frames or stream them later."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec
from lenetx_runtime.cpus import available_cpus

from ..bounds.selftest import GOLDEN
from ..data import DataOptions, Dataset, Part, Split
from ..data.rows import listed
from ..errors import DataError
from .device_split import Inputs, to_device
from .memory import default_limit
from .notices import PARTS, dropped_colour, missing_classes, shared_images
from .reader import Reader, Task
from .statistics import with_statistics
from .streamed import StreamedSplit
from .survey import Surveyed, survey

__all__ = ["Prepared", "prepare"]

_MOST_WORKERS = 4


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data set ready for the loop.

    Attributes:
        train, validation, test: the parts, on the device or streamed to it.
        spec: the spec with mean and std of the training frames.
        skipped: number of rows left out of all parts.
        golden: frames of the test part for a self-test, one per class if possible; uint8[N, h, w] or
            uint8[N, h, w, 3].
    """

    train: Inputs
    validation: Inputs
    test: Inputs
    spec: ModelSpec
    skipped: int
    golden: NDArray[np.uint8]


def prepare(
    dataset: Dataset,
    spec: ModelSpec,
    device: torch.device,
    options: DataOptions,
    on_notice: Callable[[str], None],
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None = None,
) -> Prepared:
    """Read every image once and return the parts ready for the loop; streaming does not change a bit of the batches.

    Args:
        dataset: the data set.
        spec: defines the framing; its mean and std are replaced by those of the training frames.
        device: device of the batches.
        options: whether to skip unusable rows, how many workers to use, and the memory limit.
        on_notice: called with a sentence about anything that the user should know.
        normalisation: mean and std of each channel, to use instead of those of the training frames.

    Raises:
        DataError: a row is unusable and may not be skipped, or a part has no usable row.
    """
    parts: tuple[Part, ...] = (dataset.train, dataset.validation, dataset.test)
    size = sum(map(len, parts)) * int(np.prod(spec.input_shape))
    limit = options.memory_limit or default_limit(device)
    streams = size > limit
    reader = Reader(parts, spec, _workers(options, streams=streams))
    surveyed = [survey(reader, number, part, spec, keep=not streams) for number, part in enumerate(parts)]
    unusable = [*dataset.unusable, *(words for each in surveyed for words in each.unusable)]
    if unusable and not options.skip_bad:
        raise DataError(listed(dataset.name, unusable, "; mend them or skip them with --skip-bad"))
    for name, each in zip(PARTS, surveyed, strict=True):
        if not len(each.rows):
            raise DataError(f"No image of the {name} part of '{dataset.name}' can be used.")
    labels = [part.labels[each.rows] for part, each in zip(parts, surveyed, strict=True)]
    for sentence in (
        *dataset.notices,
        *([listed(dataset.name, unusable, "; training continues without them")] if unusable else []),
        *dropped_colour(dataset.train, spec),
        *missing_classes(dataset.class_names, labels),
        *shared_images(parts, surveyed),
        *([f"The images take {size:,} bytes, over the limit of {limit:,}: they stream."] if streams else []),
    ):
        on_notice(sentence)
    if normalisation is None:
        spec = with_statistics(spec, surveyed[0].counts)
    else:
        spec = dataclasses.replace(spec, mean=normalisation[0], std=normalisation[1])
    ready = [_place(reader, number, each, spec, device, labels[number]) for number, each in enumerate(surveyed)]
    golden = _golden(reader, surveyed[-1], labels[-1])
    return Prepared(ready[0], ready[1], ready[2], spec, len(unusable), golden)


def _golden(reader: Reader, test: Surveyed, labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the first test frame of each class and, if these are too few, other frames from the start."""
    firsts = np.unique(labels, return_index=True)[1]
    others = np.setdiff1d(np.arange(min(len(labels), 2 * GOLDEN)), firsts)
    chosen = np.concatenate([np.sort(firsts), others])[:GOLDEN]
    frames: NDArray[np.uint8]
    if test.frames is not None:
        frames = test.frames[chosen]
    else:
        (read,) = reader.read([Task(len(PARTS) - 1, test.rows[chosen])])
        frames = read.images
    return frames


def _workers(options: DataOptions, *, streams: bool) -> int:
    if options.workers is not None:
        return options.workers
    return min(_MOST_WORKERS, available_cpus()) if streams else 0


def _place(
    reader: Reader, number: int, part: Surveyed, spec: ModelSpec, device: torch.device, labels: NDArray[np.int64]
) -> Inputs:
    if part.frames is None:
        return StreamedSplit(reader, number, part.rows, torch.from_numpy(labels), spec, device)
    return to_device(Split(part.frames, labels), spec, device)
