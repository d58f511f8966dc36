"""How any picture of a digit becomes a frame as MNIST was made.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits": the ink is scaled into a 20×20 box,
keeping its aspect, and centred by mass in 28×28.
"""

from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...spec import MNIST_SIDE as SIDE
from . import LIGHT, are_frames, paper, strays
from .edges import trimmed
from .resize import borders, neighbours, reduce, resize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["frame"]

BOX = 20
INK = 32
"""From this share of the strongest ink's 255 a pixel is ink."""
GENTLE, PLAIN, CALM = 3, 8, 3
"""On a plain border most pixels have one level, at most one in 8 differs by 1 to 3 levels from the one before, and at
most one in 3 by any: noise around the lightest or darkest level leaves every other pixel at that level."""
CELLS = 320
"""Of the longer side, at most, where specks and lines are looked for."""
PAGE, CORNER = 0.3, 10
"""Paper covers this share of the border, or reaches into each corner of its own box to within a tenth of its sides."""
SOFT = 4
"""Cells in which the digit may fade; what is left out may in twice as many."""


def frame(grey: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Give the uint8[28, 28] frame of one uint8[H, W] image, light ink on dark.

    A 28×28 image with a dark border passes through, stretched if it is faint. An edge around the page is cut off (see
    :mod:`edges`). Of a drawing, whose border is plain, or of a picture smaller than 28 pixels, the background is the
    border's median, or the picture's where the border frames a page, and the ink what differs most from it, lighter or
    darker; of any other, see :mod:`paper`. Specks, lines and thumbs (see :mod:`strays`) are left out, and the ink is
    cropped, scaled into 20×20 and centred by mass.

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
    elif _is_plain(border):
        ink = _drawn(grey, int(np.median(border)))
    else:
        ink = paper.ink_of(grey)
    return _centre(_stretch(_scale(ink[_box(ink >= INK)])))


def _is_plain(border: "NDArray[np.uint8]") -> bool:
    """Tell whether a border has neither the noise nor the slow changes of a photo; ink may cross it."""
    import numpy as np

    steps = np.abs(np.diff(border.astype(np.int16)))
    changes, gentle = int(np.count_nonzero(steps)), int(np.count_nonzero((steps > 0) & (steps <= GENTLE)))
    if len(border) < max(changes * CALM, gentle * PLAIN):
        return False
    return int(np.sort(np.bincount(border))[-2:].sum()) * 2 > len(border)  # two: of the paper and of a frame


def _ink(grey: "NDArray[np.uint8]", background: int) -> "NDArray[np.uint8]":
    import numpy as np

    contrast = grey.astype(np.int32) - background
    if -contrast.min() > contrast.max():
        contrast = -contrast
    if contrast.max() == 0:
        raise InputError(f"The image is blank: no pixel stands out from its background level of {background}.")
    return _stretch(np.maximum(contrast, 0))


def _stretch(ink: "NDArray[Any]") -> "NDArray[np.uint8]":
    """Make the strongest pixel 255: thin strokes fade when a large picture shrinks."""
    import numpy as np

    strongest = int(ink.max())
    if strongest == 0:
        raise InputError("The image is blank but for specks that vanish in a frame of 28×28.")
    return ((ink.astype(np.int32) * 255 + strongest // 2) // strongest).astype(np.uint8)


def _drawn(grey: "NDArray[np.uint8]", background: int) -> "NDArray[np.uint8]":
    """Return the ink without strays; the border may surround a page on which a digit stands free."""
    import numpy as np

    step = -(-max(grey.shape) // CELLS)
    paper = int(np.median(grey[::step, ::step]))
    ink = _ink(grey, background)
    if paper != background and _is_page(_cells(ink)):
        framed, is_free = _without_strays(_ink(grey, paper))
        if is_free:
            return framed
    return _without_strays(ink)[0]


def _is_page(cells: "NDArray[np.bool_]") -> bool:
    """Tell whether what seems to be ink is rather paper: much of the border, or nearly a rectangle."""
    if borders(cells[None]).mean() >= PAGE:
        return True
    box = cells[_box(cells)]
    down, right = box.shape[0] // CORNER, box.shape[1] // CORNER
    return all(line[: right + 1].any() and line[-1 - right :].any() for line in (box[down], box[-1 - down]))


def _cells(ink: "NDArray[np.uint8]") -> "NDArray[np.bool_]":
    import numpy as np

    factor = -(-max(ink.shape) // CELLS)
    return reduce((ink >= INK).view(np.uint8) * np.uint8(255), factor) > 0


def _without_strays(ink: "NDArray[np.uint8]") -> "tuple[NDArray[np.uint8], bool]":
    """Return the ink without specks and lines, and whether a digit stands free in it."""
    import numpy as np

    cells, factor = _cells(ink), -(-max(ink.shape) // CELLS)
    kept, is_free = strays.without(cells, cells)
    stray = cells & ~kept
    if not stray.any():
        return ink, is_free
    height, width = ink.shape
    stray |= neighbours(stray, np.logical_or, 2 * SOFT) & ~neighbours(kept, np.logical_or, SOFT)
    stray = stray.repeat(factor, axis=0).repeat(factor, axis=1)[:height, :width]
    return _stretch(np.where(stray, np.uint8(0), ink)), is_free


def _box(mask: "NDArray[np.bool_]") -> tuple[slice, ...]:
    import numpy as np

    places = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return tuple(slice(some[0], some[-1] + 1) for some in places)


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
