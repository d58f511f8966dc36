"""Compute mean and standard deviation of frames from counts of their levels, so that their order does not matter."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec

__all__ = ["with_statistics"]


def with_statistics(spec: ModelSpec, counts: NDArray[np.int64]) -> ModelSpec:
    """Return the spec with mean and std of each channel of the frames, on a scale of 1, rounded to four decimals.

    The std of a constant channel is set to 1.

    Args:
        spec: the spec to complete.
        counts: how often each level occurs in each channel, int64[C, 256].
    """
    found = [_statistics(levels) for levels in counts]
    return dataclasses.replace(spec, mean=tuple(mean for mean, _ in found), std=tuple(std or 1.0 for _, std in found))


def _statistics(levels: NDArray[np.int64]) -> tuple[float, float]:
    share = levels / levels.sum()
    grey = np.arange(256) / 255
    mean = float((share * grey).sum())
    return round(mean, 4), round(float(np.sqrt((share * (grey - mean) ** 2).sum())), 4)
