"""The test part alone, for a proof."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import frame

from ..errors import DataError, InputError
from .dataset import Dataset, Split
from .file_split import FileSplit
from .options import DataOptions
from .rows import listed

__all__ = ["evenly", "with_test_frames"]


def evenly(dataset: Dataset, images: int) -> tuple[Dataset, NDArray[np.int64]]:
    """Return the data set with so many of its test images, and their numbers: spread over all, since files lie by class.

    Raises:
        DataError: there are not as many.
    """
    count = len(dataset.test)
    if images > count:
        raise DataError(f"There are {count:,} test images in '{dataset.name}', not {images:,}.")
    rows = np.linspace(0, count - 1, images).round().astype(np.int64)
    return dataclasses.replace(dataset, test=dataset.test.take(rows)), rows


def with_test_frames(dataset: Dataset, spec: ModelSpec, options: DataOptions) -> tuple[Dataset, NDArray[np.int64]]:
    """Return the data set with the files of its test part decoded and framed, and which of them could be.

    Framing a frame again changes no bit.

    Raises:
        DataError: rows cannot be used and are not to be skipped, or none is left.
    """
    test, unusable = dataset.test, list(dataset.unusable)
    usable = list(range(len(test)))
    if isinstance(test, FileSplit):
        pixel = () if spec.channels == 1 else (spec.channels,)
        frames = np.empty((len(test), *spec.frame_size, *pixel), np.uint8)
        usable = []
        for row in range(len(test)):
            try:
                frames[len(usable)] = frame(test.levels(row, spec.channels), spec)
                usable.append(row)
            except InputError as error:
                unusable.append(f"{test.name(row)}: {str(error).rstrip('.')}")
        dataset = dataclasses.replace(dataset, test=Split(frames[: len(usable)], test.labels[usable]))
    if unusable and not options.skip_bad:
        raise DataError(listed(dataset.name, unusable, "; mend them or leave them out with --skip-bad"))
    if not len(dataset.test):
        raise DataError(f"No image of the test part of '{dataset.name}' can be used.")
    return dataset, np.array(usable, np.int64)
