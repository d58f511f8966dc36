"""Find problems in a data set that the user should know about before training."""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import InputError, ModelSpec

from ..data import Part
from ..data.rows import LISTED
from .survey import Surveyed

__all__ = ["PARTS", "dropped_colour", "missing_classes", "shared_images"]

PARTS = ("training", "validation", "test")
"""Names of the parts of a data set, in order."""
_SHOWN = 3
_LOOKED_AT = 20
"""Number of images checked for colours."""


def missing_classes(class_names: Sequence[str], labels: Sequence[NDArray[np.int64]]) -> Iterator[str]:
    """Yield a sentence for each part that lacks images of some classes."""
    for part, numbers in zip(PARTS, labels, strict=True):
        there = np.bincount(numbers, minlength=len(class_names))
        missing = [name for name, count in zip(class_names, there, strict=True) if not count]
        if missing:
            more = f" and {len(missing) - LISTED} more" if len(missing) > LISTED else ""
            yield f"The {part} part has no image of {', '.join(missing[:LISTED])}{more}."


def shared_images(parts: Sequence[Part], surveyed: Sequence[Surveyed]) -> Iterator[str]:
    """Yield a sentence if some test images are also training images, compared by their decoded levels."""
    train, test = surveyed[0], surveyed[2]
    first = dict(zip(reversed(train.digests), reversed(train.rows.tolist()), strict=True))
    found = [
        (row, first[digest]) for row, digest in zip(test.rows.tolist(), test.digests, strict=True) if digest in first
    ]
    if found:
        pairs = ", ".join(f"{parts[2].name(row)} (as {parts[0].name(other)})" for row, other in found[:_SHOWN])
        more = ", …" if len(found) > _SHOWN else ""
        yield (
            f"{len(found):,} of {len(test.rows):,} test images are training images too, so the test flatters: "
            f"{pairs}{more}."
        )


def dropped_colour(part: Part, spec: ModelSpec) -> tuple[str, ...]:
    """Return a sentence if the input is grey and some of the first images have colours, else nothing."""
    if spec.channels == 3:
        return ()
    for row in range(min(_LOOKED_AT, len(part))):
        with contextlib.suppress(InputError):
            levels = part.levels(row, 3)
            if levels.ndim == 3 and (levels != levels[..., :1]).any():
                return ("The pictures have colours, and the network's input is grey: --channels 3 keeps them.",)
    return ()
