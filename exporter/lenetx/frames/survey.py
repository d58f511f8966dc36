"""Survey a part in a first pass: check every image, count its levels, and keep its frame or drop it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec

from ..data import Part
from .reader import Reader, Task

__all__ = ["Surveyed", "survey"]

_BATCH_BYTES = 2**22
"""Bytes of frames read at a time."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One part after the first pass.

    Attributes:
        rows: usable rows, int64[N].
        frames: uint8[N, h, w] or uint8[N, h, w, 3]; ``None`` if they are streamed.
        counts: how often each level occurs in each channel of the frames, int64[C, 256].
        digests: digest of each usable image's decoded levels.
        unusable: a sentence for each unusable row.
    """

    rows: NDArray[np.int64]
    frames: NDArray[np.uint8] | None
    counts: NDArray[np.int64]
    digests: list[bytes]
    unusable: list[str]


def survey(reader: Reader, number: int, part: Part, spec: ModelSpec, *, keep: bool) -> Surveyed:
    """Read every image of one part.

    Args:
        reader: reader of all parts.
        number: number of the part in the reader.
        part: the part.
        spec: defines the framing.
        keep: whether to keep the frames.
    """
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
    return Surveyed(np.array(usable, np.int64), frames_kept, counts, digests, unusable)


def _batches(count: int, spec: ModelSpec) -> Iterator[NDArray[np.int64]]:
    size = max(1, _BATCH_BYTES // int(np.prod(spec.input_shape)))
    return (np.arange(start, min(start + size, count)) for start in range(0, count, size))
