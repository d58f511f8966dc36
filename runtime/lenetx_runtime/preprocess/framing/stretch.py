"""The whole picture fills the frame, whatever that does to its aspect."""

from typing import TYPE_CHECKING

from .resize import resize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["frame"]


def frame(levels: "NDArray[np.uint8]", height: int, width: int) -> "NDArray[np.uint8]":
    """Give uint8[height, width] of uint8[H, W], or the same with 3 channels; a picture of that size as it is."""
    return levels if levels.shape[:2] == (height, width) else resize(levels, height, width)
