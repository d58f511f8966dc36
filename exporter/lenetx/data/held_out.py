"""Hold out missing validation and test parts from the training part of a custom data set."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEWEST", "SHARE", "hold_out_by_class"]

SHARE = 0.1
"""Share of each class that is held out for each missing part."""
FEWEST = 3
"""Smallest class from which an image is held out."""


def hold_out_by_class(
    labels: NDArray[np.int64], keys: Sequence[str], parts: int
) -> tuple[NDArray[np.int64], tuple[NDArray[np.int64], ...]]:
    """Choose a tenth of each class for each of ``parts`` and return (remaining rows, rows of each part), sorted.

    The choice depends on the digests of the keys, so hardly any image changes parts when the set grows.

    Args:
        labels: int64[N].
        keys: N strings that identify the images, such as their names.
        parts: the number of parts to hold out.
    """
    chance = np.array([int.from_bytes(hashlib.sha256(_bytes(key)).digest()[:8]) for key in keys], np.uint64)
    held: list[list[int]] = [[] for _ in range(parts)]
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        rows = rows[np.argsort(chance[rows], kind="stable")]
        count = max(1, round(SHARE * len(rows))) if len(rows) >= FEWEST else 0
        for number, part in enumerate(held):
            part += rows[number * count : (number + 1) * count].tolist()
    chosen = tuple(np.array(sorted(part), np.int64) for part in held)
    left = np.setdiff1d(np.arange(len(labels)), np.concatenate([*chosen, np.array([], np.int64)]))
    return left, chosen


def _bytes(key: str) -> bytes:
    return key.encode(errors="surrogateescape")
