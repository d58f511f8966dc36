"""The parts that a set of one's own does not have, held out of its training part."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEWEST", "SHARE", "hold_out_by_class"]

SHARE = 0.1
"""Of each class and for each part that is missing."""
FEWEST = 3
"""Images of a class from which at least one is held out."""


def hold_out_by_class(
    labels: NDArray[np.int64], keys: Sequence[str], parts: int
) -> tuple[NDArray[np.int64], tuple[NDArray[np.int64], ...]]:
    """Choose a tenth of each class for each of ``parts``: (the rows that are left, the rows of each part), sorted.

    Which images they are follows from the digests of their keys, so a set that grows moves hardly any of them.

    Args:
        labels: int64[N].
        keys: what tells the images apart, say their names.
        parts: how many to make.
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
