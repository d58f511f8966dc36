"""Turn any image of a digit into a frame, as MNIST was made.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits": the ink is scaled into a 20×20 box,
keeping its aspect, and centred by mass in 28×28.
"""

from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...spec import MNIST_SIDE as SIDE
from . import LIGHT, are_frames, paper, strays
from .edges import box, sheet, trimmed
from .resize import borders, enlarged, neighbours, reduce, resize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["frame"]

BOX = 20
INK = 32
"""Minimum level of an ink pixel; the strongest ink has 255."""
GENTLE, PLAIN, CALM = 3, 32, 3
"""On a plain border most pixels have one level, at most one in 32 differs by 1 to 3 levels from the one before, and at
most one in 3 by any: noise around the lightest or darkest level leaves every other pixel at that level."""
FLAT, RUNS = 4, 8
"""So is a border that ink crosses: at least a quarter of it has one level, at most one in 8 of these pixels is followed
by another level, and at most half of all changes are gentle, as those of falling light are."""
SOFT = 4
"""Cells over which the digit may fade; what is removed may fade over twice as many."""


def frame(grey: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Return the uint8[28, 28] frame of one uint8[H, W] image, light ink on dark.

    A 28×28 image with a dark border passes through, stretched if it is faint. An edge around the page and the table
    around a sheet are cut off (see ``edges``). For a drawing, whose border is plain, or an image smaller than 28
    pixels, the border's median is the background, and what differs most from it is ink, lighter or darker; for others,
    see ``paper``. Specks, lines and thumbs (see ``strays``) are removed, and the ink is cropped, scaled into 20×20 and
    centred by mass.

    Raises:
        InputError: nothing stands out from the background.
    """
    import numpy as np

    if grey.shape == (SIDE, SIDE):
        if are_frames(grey[None])[0]:
            return grey
        if grey.max() < LIGHT and are_frames((ink := _ink(grey, int(np.median(borders(grey[None])))))[None])[0]:
            return ink
    small = min(grey.shape) < SIDE
    grey = grey if small else trimmed(grey)
    border = borders(grey[None])[0]
    if small:
        ink = _ink(grey, int(np.median(border)))
    else:
        grey, is_drawn = sheet(grey), _is_plain(border)
        ink = _without_strays(_ink(grey, int(np.median(borders(grey[None]))))) if is_drawn else paper.ink_of(grey)
    return _centre(_stretch(_scale(ink[box(ink >= INK)])))


def _is_plain(border: "NDArray[np.uint8]") -> bool:
    """Return whether a border lacks a photo's noise and slow changes; ink may cross it."""
    import numpy as np

    steps = np.abs(np.diff(border.astype(np.int16)))
    changes, gentle = int(np.count_nonzero(steps)), int(np.count_nonzero((steps > 0) & (steps <= GENTLE)))
    flat = border == np.bincount(border).argmax()
    left = int(np.count_nonzero(flat[:-1] & ~flat[1:]))
    if len(border) <= FLAT * flat.sum() and left * RUNS <= flat.sum() and gentle * 2 <= changes:
        return True
    if len(border) < max(changes * CALM, gentle * PLAIN):
        return False
    return int(np.sort(np.bincount(border))[-2:].sum()) * 2 > len(border)  # two: paper and frame


def _ink(grey: "NDArray[np.uint8]", background: int) -> "NDArray[np.uint8]":
    import numpy as np

    contrast = grey.astype(np.int32) - background
    if -contrast.min() > contrast.max():
        contrast = -contrast
    if contrast.max() == 0:
        raise InputError(f"The image is blank: no pixel stands out from its background level of {background}.")
    return _stretch(np.maximum(contrast, 0))


def _stretch(ink: "NDArray[Any]") -> "NDArray[np.uint8]":
    """Make the strongest pixel 255: thin strokes fade in small frames."""
    import numpy as np

    strongest = int(ink.max())
    if strongest == 0:
        raise InputError("The image is blank but for specks that vanish in a frame of 28×28.")
    return ((ink.astype(np.int32) * 255 + strongest // 2) // strongest).astype(np.uint8)


def _without_strays(ink: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Return the ink without specks and lines."""
    import numpy as np

    factor = -(-max(ink.shape) // paper.CELLS)
    cells = reduce((ink >= INK).view(np.uint8) * np.uint8(255), factor) > 0
    kept = strays.without(cells, cells)
    stray = cells & ~kept
    if not stray.any():
        return ink
    stray |= neighbours(stray, np.logical_or, 2 * SOFT) & ~neighbours(kept, np.logical_or, SOFT)
    return _stretch(np.where(enlarged(stray, factor, ink.shape), np.uint8(0), ink))


def _scale(ink: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    height, width = ink.shape
    factor = BOX / max(height, width)
    return resize(ink, max(1, round(height * factor)), max(1, round(width * factor)))


def _centre(ink: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Centre the ink by mass, but inside the frame."""
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
