"""The one resampling of every framing, and averages of blocks to look at a large picture."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["reduce", "resize"]

_MOST_TAPS = 128
"""Of the filter, per lobe: the table of the taps of a side of millions of pixels would have more than a GiB."""


def resize(levels: "NDArray[np.uint8]", height: int, width: int) -> "NDArray[np.uint8]":
    """Give uint8[height, width] of uint8[H, W], or the same with 3 channels, by Pillow's ``LANCZOS``.

    A side that becomes less than its 256th part is first reduced to means of blocks.
    """
    import numpy as np
    import PIL.Image

    image = PIL.Image.fromarray(np.ascontiguousarray(levels))
    return np.asarray(image.resize((width, height), PIL.Image.Resampling.LANCZOS, reducing_gap=_MOST_TAPS))


def reduce(levels: "NDArray[np.uint8]", factor: int) -> "NDArray[np.uint8]":
    """Give uint8[⌈H / factor⌉, ⌈W / factor⌉], means of blocks of factor × factor pixels, of uint8[H, W]."""
    import numpy as np
    import PIL.Image

    if factor == 1:
        return levels
    return np.asarray(PIL.Image.fromarray(np.ascontiguousarray(levels)).reduce(factor))
