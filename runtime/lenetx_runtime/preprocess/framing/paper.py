"""Ink on paper that is lit unevenly: a photo or scan of a digit, with falling light, soft shadows and noise.

The paper under the ink is found by a morphological closing: whatever is darker than all around it and narrower than
the window is filled, and light that varies over more than the window is kept. Windows reach over the picture's border,
so that a dark corner is no ink. Source: Serra, "Image Analysis and Mathematical Morphology", 1982, ch. XII (the
black top-hat).
"""

from typing import TYPE_CHECKING, Any

from ...errors import InputError
from . import strays
from .resize import neighbours, reduce, running

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ink_of"]

CELLS = 160
"""The paper is looked for in a picture whose longer side is at most so many cells, each a mean of its pixels."""
WINDOW = 3
"""The window's side is the picture's shorter one divided by this: no stroke is as wide in both directions."""
RIM = 30
"""Light ink is told from dark without a rim of the picture's shorter side divided by this: frames are often there."""
NOISE = 6
"""Ink is darker than the paper by so many standard deviations of the noise of a cell …"""
CLEAR = 64
"""… or by so many levels: what is as busy as that is not blank …"""
FAINTEST = 28
"""… and, somewhere, by so many levels on a scale of 255 for the paper, also within 3×3 cells: light changes slowly …"""
WEAKEST = 3
"""… and, everywhere, by as much as the strongest ink divided by this."""
DARKEST = 16
"""Levels below which light is too weak to be compared in logarithms."""
DIMMEST = 64
"""A level: paper that is darker is taken to be as light, since its noise would look like ink."""
BEYOND = 0.7
"""Paper that is darker, by this factor, than it is two cells away ends there."""
DETAIL = 100
"""The ink is given with about so many pixels on its longer side, or up to twice as many: averages have less noise."""


def ink_of(grey: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Give the ink alone, uint8[h, w] with 0 for the paper and 255 for strong ink, cropped to near it.

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
    ink, _ = strays.without(dark & (absorbed >= weakest), sharp >= weakest, _beyond(paper))
    return _fine(grey, paper, ink, factor, level, weakest)


def _with_dark_ink(grey: "NDArray[np.uint8]", factor: int) -> "tuple[NDArray[np.uint8], NDArray[Any], NDArray[Any]]":
    """Give a picture, or its negative where its ink is light, its cells and the cells of its paper."""
    cells = reduce(grey, factor)
    if _roughness(~_closing(~cells)) < _roughness(_closing(cells)):
        grey = ~grey
        cells = reduce(grey, factor)
    return grey, cells, _closing(cells)


def _fine(
    grey: "NDArray[np.uint8]", paper: "NDArray[Any]", mask: "NDArray[Any]", factor: int, level: float, weakest: float
) -> "NDArray[np.uint8]":
    """Give the ink in the mask's cells and those next to them, in more detail than cells."""
    import numpy as np
    import PIL.Image

    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    top, bottom = max(int(rows[0]) - 2, 0), int(rows[-1]) + 3
    left, right = max(int(columns[0]) - 2, 0), int(columns[-1]) + 3
    picture = grey[top * factor : bottom * factor, left * factor : right * factor]
    height, width = picture.shape
    box = (left, top, left + width / factor, top + height / factor)
    fine = max(1, max(height, width) // DETAIL)
    below = PIL.Image.fromarray(paper).resize((width, height), PIL.Image.Resampling.BILINEAR, box)
    near = (
        neighbours(mask, np.logical_or)[top:bottom, left:right]
        .repeat(factor, axis=0)
        .repeat(factor, axis=1)[:height, :width]
    )
    absorbed = _absorbed(reduce(picture, fine), reduce(np.asarray(below), fine), level)
    absorbed[reduce(near.astype(np.uint8) * np.uint8(255), fine) == 0] = 0
    strong = absorbed >= weakest
    full = float(np.percentile(absorbed[strong], 95)) if strong.any() else float(absorbed.max())
    if full <= 0:
        raise InputError("The image is blank but for specks that vanish in a frame of 28×28.")
    ink: NDArray[np.uint8] = np.rint(np.clip(absorbed * (255 / full), 0, 255)).astype(np.uint8)
    return ink


def _absorbed(levels: "NDArray[Any]", paper: "NDArray[Any]", level: float) -> "NDArray[np.float32]":
    """Give float32: the share of the paper's light that is missing, on a scale of 255.

    Args:
        levels: uint8, of the picture.
        paper: uint8, of the same shape.
        level: by how much the paper is brighter than the picture where there is no ink: noise lifts a closing.
    """
    import numpy as np

    light = paper.astype(np.float32)
    missing: NDArray[np.float32] = (light - levels - np.float32(level)) * (255 / np.maximum(light, DIMMEST))
    return missing


def _closing(cells: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Give the least maximum of all square windows over each cell, also those that reach over the border."""
    import numpy as np

    side = max(3, min(cells.shape) // WINDOW)
    closed = np.pad(cells, side - 1)
    for extreme in (np.maximum, np.minimum):
        for axis in (0, 1):
            closed = running(closed, side, axis, extreme)
    return closed


def _beyond(paper: "NDArray[np.uint8]") -> "NDArray[np.bool_]":
    """Return bool[h, w]: where the paper becomes dark at once, for a thumb or a table begins, and near that.

    A closing keeps what is wider than its window, and so cuts off the tips of it, which then look like ink.
    """
    import numpy as np

    far = neighbours(paper, np.maximum, 2)
    return neighbours(paper < far * BEYOND, np.logical_or, 2)


def _roughness(paper: "NDArray[np.uint8]") -> float:
    """Give the sum of the squared steps between neighbours, in logarithms, so that ink in the dark counts as well.

    Paper is smooth; where ink is taken for paper its edges stay, and a sharp edge weighs more than a long slope.
    """
    import numpy as np

    rim = min(paper.shape) // RIM
    light = np.log(paper[rim : -rim or None, rim : -rim or None] + np.float32(DARKEST))
    steps = (np.diff(light, axis=axis) for axis in (0, 1))
    return float(sum(np.vdot(step, step) for step in steps))
