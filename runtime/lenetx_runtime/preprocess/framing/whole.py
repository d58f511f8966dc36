"""The whole picture: ``stretch`` fills the frame, ``letterbox`` keeps the aspect, in the middle of black."""

from typing import TYPE_CHECKING

from .resize import resize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["letterbox", "stretch"]


def stretch(levels: "NDArray[np.uint8]", height: int, width: int) -> "NDArray[np.uint8]":
    """Give uint8[height, width] of uint8[H, W], or the same with 3 channels; a picture of that size as it is."""
    return levels if levels.shape[:2] == (height, width) else resize(levels, height, width)


def letterbox(levels: "NDArray[np.uint8]", height: int, width: int) -> "NDArray[np.uint8]":
    """Give uint8[height, width] of uint8[H, W], or the same with 3 channels; a picture of that size as it is.

    An odd line of black is the last row or column.
    """
    import numpy as np

    if levels.shape[:2] == (height, width):
        return levels
    inner_height, inner_width = _fitted(levels.shape[0], levels.shape[1], height, width)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    framed = np.zeros((height, width, *levels.shape[2:]), np.uint8)
    framed[top : top + inner_height, left : left + inner_width] = resize(levels, inner_height, inner_width)
    return framed


def _fitted(height: int, width: int, frame_height: int, frame_width: int) -> tuple[int, int]:
    """Return the largest size of the picture's aspect; multiplied first, so that no rounding but the last matters."""
    if height * frame_width >= width * frame_height:
        return frame_height, max(1, round(width * frame_height / height))
    return max(1, round(height * frame_width / width)), frame_width
