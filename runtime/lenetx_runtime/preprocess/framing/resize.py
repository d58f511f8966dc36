"""Resize images (the only resampling of every framing), average blocks, and find borders and neighbours."""

from typing import TYPE_CHECKING, Any

from ...spec import DEFAULT_INTERPOLATION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["borders", "enlarged", "neighbours", "reduce", "resize", "running"]

_MOST_TAPS = 128
"""Maximum filter taps per lobe: for millions of pixels their table would exceed a GiB."""
_MOST_EXACT = 2**12
"""The same for filters that others use without a limit, and whose bits are kept."""


def resize(
    levels: "NDArray[np.uint8]", height: int, width: int, interpolation: str = DEFAULT_INTERPOLATION
) -> "NDArray[np.uint8]":
    """Resize uint8[H, W], or the same with 3 channels, to uint8[height, width], by a filter of Pillow's.

    A side that shrinks to less than a 256th (by LANCZOS) or an 8192nd is first reduced to means of blocks.
    """
    import numpy as np
    import PIL.Image

    image = PIL.Image.fromarray(np.ascontiguousarray(levels))
    method = PIL.Image.Resampling[interpolation.upper()]
    gap = _MOST_TAPS if interpolation == DEFAULT_INTERPOLATION else _MOST_EXACT
    return np.asarray(image.resize((width, height), method, reducing_gap=gap))


def reduce(levels: "NDArray[np.uint8]", factor: int) -> "NDArray[np.uint8]":
    """Return the means of blocks of factor × factor pixels: uint8[⌈H / factor⌉, ⌈W / factor⌉] of uint8[H, W]."""
    import numpy as np
    import PIL.Image

    if factor == 1:
        return levels
    return np.asarray(PIL.Image.fromarray(np.ascontiguousarray(levels)).reduce(factor))


def enlarged(cells: "NDArray[Any]", factor: int, shape: tuple[int, ...]) -> "NDArray[Any]":
    """Return [H, W] of this shape: each cell as factor × factor pixels, the last ones cut off."""
    return cells.repeat(factor, axis=0).repeat(factor, axis=1)[: shape[0], : shape[1]]


def running(levels: "NDArray[Any]", side: int, axis: int, extreme: Any) -> "NDArray[Any]":
    """Return the extreme of each ``side`` neighbours along an axis, which becomes ``side`` − 1 shorter."""
    import numpy as np

    levels = np.moveaxis(levels, axis, 0)
    done = 1
    while done < side:
        step = min(done, side - done)
        levels = extreme(levels[:-step], levels[step:])
        done += step
    return np.moveaxis(levels, 0, axis)


def neighbours(cells: "NDArray[Any]", extreme: Any, reach: int = 1) -> "NDArray[Any]":
    """Return the extreme of each cell and all within ``reach`` cells of it, also diagonally."""
    import numpy as np

    padded = np.pad(cells, reach, mode="edge")
    side = 2 * reach + 1
    return running(running(padded, side, 0, extreme), side, 1, extreme)


def borders(images: "NDArray[Any]") -> "NDArray[Any]":
    """Return the outermost pixels of [N, H, W], as [N, B]."""
    import numpy as np

    return np.concatenate([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1)
