"""How any picture of a digit becomes a frame as MNIST was made.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits": the ink is scaled into a 20×20 box,
keeping its aspect, and centred by mass in 28×28.
"""

from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...spec import MNIST_SIDE as SIDE
from .resize import resize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["are_frames", "frame"]

BOX = 20
CLEAN_BACKGROUND = 16
"""A 28×28 image of whose border more than half is darker than this is taken to be a frame already."""
INK = 32
"""Grey levels above the background, on a scale of 255 for the strongest ink, from which a pixel is ink."""


def frame(grey: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Give the uint8[28, 28] frame of one uint8[H, W] image, light ink on dark.

    A 28×28 image with a dark border passes through unchanged. Else the background is the
    border's median and the ink what differs most from it, lighter or darker; the ink is cropped, scaled into 20×20
    and centred by mass.

    Raises:
        InputError: nothing stands out from the background.
    """
    import numpy as np

    if grey.shape == (SIDE, SIDE) and are_frames(grey[None])[0]:
        return grey
    background = int(np.median(_borders(grey[None])))
    return _centre(_stretch(_scale(_crop(_ink(grey, background)))))


def are_frames(images: "NDArray[np.uint8]") -> "NDArray[np.bool_]":
    """Give bool[N] for uint8[N, 28, 28]: dark borders and not blank, so nothing to do."""
    borders, pixels = _borders(images), images.reshape(len(images), SIDE * SIDE)
    dark = (borders < CLEAN_BACKGROUND).sum(axis=1) * 2 > borders.shape[1]
    ready: NDArray[np.bool_] = dark & (pixels.min(axis=1) < pixels.max(axis=1))
    return ready


def _borders(images: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Give uint8[N, B]: the outermost pixels of uint8[N, H, W]."""
    import numpy as np

    return np.concatenate([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1)


def _ink(grey: "NDArray[np.uint8]", background: int) -> "NDArray[np.uint8]":
    """Give uint8[H, W] with 0 for the background and 255 for the strongest ink."""
    import numpy as np

    contrast = grey.astype(np.int32) - background
    if -contrast.min() > contrast.max():
        contrast = -contrast
    if contrast.max() == 0:
        raise InputError(f"The image is blank: no pixel stands out from its background level of {background}.")
    return _stretch(np.maximum(contrast, 0))


def _stretch(ink: "NDArray[Any]") -> "NDArray[np.uint8]":
    """Give the ink with 255 for its strongest pixel: thin strokes fade when a large picture shrinks."""
    import numpy as np

    strongest = int(ink.max())
    if strongest == 0:
        raise InputError("The image is blank but for specks that vanish in a frame of 28×28.")
    return ((ink.astype(np.int32) * 255 + strongest // 2) // strongest).astype(np.uint8)


def _crop(ink: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    import numpy as np

    mask = ink >= INK
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _scale(ink: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    height, width = ink.shape
    factor = BOX / max(height, width)
    return resize(ink, max(1, round(height * factor)), max(1, round(width * factor)))


def _centre(ink: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Put the ink's centre of mass at the centre of the frame, as far as it stays inside."""
    import numpy as np

    height, width = ink.shape
    mass = ink.astype(np.float64)
    total = mass.sum()
    row = float((mass.sum(axis=1) * np.arange(height)).sum() / total)
    column = float((mass.sum(axis=0) * np.arange(width)).sum() / total)
    top = min(max(round(SIDE / 2 - row), 0), SIDE - height)
    left = min(max(round(SIDE / 2 - column), 0), SIDE - width)
    framed = np.zeros((SIDE, SIDE), np.uint8)
    framed[top : top + height, left : left + width] = ink
    return framed
