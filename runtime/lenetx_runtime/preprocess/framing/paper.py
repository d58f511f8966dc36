"""Find ink on unevenly lit paper: a photo or scan of a digit, with uneven light, soft shadows and noise.

The paper under the ink is found by a morphological closing: what is darker than its surroundings and narrower than the
window is filled. Windows extend over the image's border, so that a dark corner is not ink. Source: Serra, "Image
Analysis and Mathematical Morphology", 1982, ch. XII (the black top-hat).
"""

from typing import TYPE_CHECKING, Any

from ...errors import InputError
from . import strays
from .edges import box
from .resize import enlarged, neighbours, reduce, running

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ink_of"]

CELLS = 300
"""Maximum number of cells along the longer side; each is a mean of its pixels."""
WINDOW = 3
"""The window is the shorter side divided by this: no stroke is as wide in both directions."""
RIM = 30
"""To distinguish light ink from dark, a rim of the shorter side divided by this is ignored: it may hold a frame."""
LITTLE = 4
"""The right polarity has little ink and smooth paper; ink with a mean of fewer levels than this counts the same."""
NOISE = 6
"""Ink is darker than the paper by this many standard deviations of a cell's noise, …"""
CLEAR = 64
"""… or by this many levels: an image with so much contrast is not blank."""
FAINTEST = 28
"""Somewhere within 3×3 cells ink differs by this many levels (paper is 255), because light changes slowly."""
WEAKEST = 3
"""Ink is at least as strong as the strongest divided by this; half of that is enough next to such ink."""
DARKEST = 16
"""Levels below which light is too weak to compare in logarithms."""
DIMMEST = 64
"""Darker paper is treated as this light: its noise would look like ink."""
BEYOND = 0.7
"""Paper that is darker, by this factor, than three cells away ends there."""
DETAIL = 100
"""Pixels of the ink's longer side, or up to twice as many: averages have less noise."""


def ink_of(grey: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Return the ink alone, uint8[h, w] with 0 for the paper and 255 for strong ink, cropped to near it.

    Args:
        grey: uint8[H, W], dark ink on light or light ink on dark.

    Raises:
        InputError: nothing stands out from the paper.
    """
    import numpy as np

    factor = -(-max(grey.shape) // CELLS)
    grey, cells, paper = _with_dark_ink(grey, factor)
    differences = paper.astype(np.float32) - cells
    level = float(np.median(differences))
    noise = 1.4826 * float(np.median(np.abs(differences - level)))
    absorbed = _absorbed(cells, paper, level)
    dark = differences - level >= min(NOISE * noise, CLEAR)
    edges = neighbours(absorbed, np.maximum) - neighbours(absorbed, np.minimum)
    sharp = np.where(dark, np.minimum(absorbed, edges), 0)
    if sharp.max() < FAINTEST:
        raise InputError("The image is blank: no ink stands out from its paper, which is lit unevenly or noisy.")
    weakest = float(sharp.max()) / WEAKEST
    ink = strays.without(dark & (absorbed >= weakest / 2), sharp >= weakest, _beyond(paper))
    return _fine(grey, paper, ink, factor, level, weakest)


def _with_dark_ink(grey: "NDArray[np.uint8]", factor: int) -> "tuple[NDArray[np.uint8], NDArray[Any], NDArray[Any]]":
    """Return an image (negative if its ink is light), its cells and its paper's."""
    import numpy as np

    cells = reduce(grey, factor)
    papers = _closing(cells), ~_closing(~cells)
    doubts = [_roughness(one) * (LITTLE + float(np.abs(one.astype(np.int16) - cells).mean())) for one in papers]
    if doubts[1] < doubts[0]:
        cells = reduce(~grey, factor)
        return ~grey, cells, _closing(cells)
    return grey, cells, papers[0]


def _fine(
    grey: "NDArray[np.uint8]", paper: "NDArray[Any]", mask: "NDArray[Any]", factor: int, level: float, weakest: float
) -> "NDArray[np.uint8]":
    """Return the ink in and next to the mask's cells, in detail."""
    import numpy as np
    import PIL.Image

    rows, columns = box(mask)
    top, bottom, left, right = max(rows.start - 2, 0), rows.stop + 2, max(columns.start - 2, 0), columns.stop + 2
    picture = grey[top * factor : bottom * factor, left * factor : right * factor]
    height, width = picture.shape
    part = (left, top, left + width / factor, top + height / factor)
    fine = max(1, max(height, width) // DETAIL)
    below = PIL.Image.fromarray(paper).resize((width, height), PIL.Image.Resampling.BILINEAR, part)
    near = enlarged(neighbours(mask, np.logical_or)[top:bottom, left:right], factor, picture.shape)
    absorbed = _absorbed(reduce(picture, fine), reduce(np.asarray(below), fine), level)
    absorbed[reduce(near.astype(np.uint8) * np.uint8(255), fine) == 0] = 0
    strong = absorbed >= weakest
    full = float(np.percentile(absorbed[strong], 95)) if strong.any() else float(absorbed.max())
    if full <= 0:
        raise InputError("The image is blank but for specks that vanish in a frame of 28×28.")
    ink: NDArray[np.uint8] = np.rint(np.clip(absorbed * (255 / full), 0, 255)).astype(np.uint8)
    return ink


def _absorbed(levels: "NDArray[Any]", paper: "NDArray[Any]", level: float) -> "NDArray[np.float32]":
    """Return the missing share of the paper's light, times 255; noise lifts a closing by ``level``."""
    import numpy as np

    light = paper.astype(np.float32)
    missing: NDArray[np.float32] = (light - levels - np.float32(level)) * (255 / np.maximum(light, DIMMEST))
    return missing


def _closing(cells: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Return the lowest window maximum over each cell, even across the border."""
    import numpy as np

    side = max(3, min(cells.shape) // WINDOW)
    closed = np.pad(cells, side - 1)
    for extreme in (np.maximum, np.minimum):
        for axis in (0, 1):
            closed = running(closed, side, axis, extreme)
    return closed


def _beyond(paper: "NDArray[np.uint8]") -> "NDArray[np.bool_]":
    """Return where the paper turns dark abruptly, as at a thumb or a table, and what is near.

    A closing cuts tips off what is wider than its window; they look like ink.
    """
    import numpy as np

    far = neighbours(paper, np.maximum, 3)
    return neighbours(paper < far * BEYOND, np.logical_or, 3)


def _roughness(paper: "NDArray[np.uint8]") -> float:
    """Sum the squared log steps between neighbours: paper is smooth; ink has edges."""
    import numpy as np

    rim = min(paper.shape) // RIM
    light = np.log(paper[rim : -rim or None, rim : -rim or None] + np.float32(DARKEST))
    steps = (np.diff(light, axis=axis) for axis in (0, 1))
    return float(sum(np.vdot(step, step) for step in steps))
