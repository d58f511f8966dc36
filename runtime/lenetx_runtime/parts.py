"""The images of a call, cut into parts."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from .errors import InputError
from .preprocess import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Part", "is_open_file", "parts_of", "require_several"]

Part: TypeAlias = "tuple[int, Sequence[Image]]"
"""Images, and the position of the first of them."""


def parts_of(images: "Iterable[Image] | NDArray[Any]", size: int) -> Iterator[Part]:
    """Give so many images at a time with the position of the first; what was taken before an error is given too."""
    import numpy as np

    if isinstance(images, list | tuple | np.ndarray):
        for start in range(0, len(images), size):
            yield start, images[start : start + size]  # type: ignore[misc]  # an array is a sequence of images too
        return
    part: list[Image] = []
    start = 0
    try:
        for image in images:
            part.append(image)
            if len(part) == size:
                yield start, part
                start, part = start + size, []
    except Exception:  # whatever someone's own iterator raises
        if part:
            yield start, part
        raise
    if part:
        yield start, part


def is_open_file(image: Any) -> bool:
    """Say whether it is a file object or a Pillow image that is still to be read from one."""
    return hasattr(image, "read") or getattr(image, "fp", None) is not None


def require_several(images: Any, method: str) -> None:
    """Do nothing if several images were given.

    Raises:
        InputError: it is one image, or none at all.
    """
    if isinstance(images, str | bytes | os.PathLike) or hasattr(images, "getbands"):
        name = f"'{images}'" if isinstance(images, str | os.PathLike) else type(images).__name__
        raise InputError(f"{method} takes several images, not {name} alone: that is for predict.")
    if getattr(images, "ndim", None) == 3 and images.shape[2] in (3, 4):
        raise InputError(f"{method} takes several images, not one of shape {images.shape}: that is for predict.")
    if not isinstance(images, Iterable) or getattr(images, "ndim", 1) == 0:
        raise InputError(f"{method} takes several images, not {type(images).__name__}.")
