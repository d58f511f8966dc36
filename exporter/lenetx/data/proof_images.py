"""Select and frame the test images that a proof uses."""

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

__all__ = ["evenly_spaced", "with_test_frames"]


def evenly_spaced(dataset: Dataset, images: int) -> tuple[Dataset, NDArray[np.int64]]:
    """Return the data set with only ``images`` of its test images, and their indices, int64[images].

    They are evenly spaced, because files are often sorted by class.

    Raises:
        DataError: the set has fewer test images.
    """
    count = len(dataset.test)
    if images > count:
        raise DataError(f"There are {count:,} test images in '{dataset.name}', not {images:,}.")
    rows = np.linspace(0, count - 1, images).round().astype(np.int64)
    return dataclasses.replace(dataset, test=dataset.test.take(rows)), rows


def with_test_frames(dataset: Dataset, spec: ModelSpec, options: DataOptions) -> tuple[Dataset, NDArray[np.int64]]:
    """Return the data set with its test files decoded and framed, and the indices of the usable ones, int64[N].

    Framing a frame again changes no bit.

    Raises:
        DataError: rows cannot be used and ``options.skip_bad`` is not set, or no row is left.
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
        raise DataError(listed(dataset.name, unusable, "; mend them or skip them with --skip-bad"))
    if not len(dataset.test):
        raise DataError(f"No image of the test part of '{dataset.name}' can be used.")
    return dataset, np.array(usable, np.int64)
