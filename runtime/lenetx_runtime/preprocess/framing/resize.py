"""The one resampling of every framing."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["resize"]


def resize(levels: "NDArray[np.uint8]", height: int, width: int) -> "NDArray[np.uint8]":
    """Give uint8[height, width] of uint8[H, W], or the same with 3 channels, by Pillow's ``LANCZOS``."""
    import numpy as np
    import PIL.Image

    image = PIL.Image.fromarray(np.ascontiguousarray(levels))
    return np.asarray(image.resize((width, height), PIL.Image.Resampling.LANCZOS))
