"""What frames a page at the picture's very edge: a dark line of one pixel or more, the table, the scanner's lid."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["trimmed"]

DEEP = 5
"""An edge has at most the picture's side divided by this …"""
STEP = 40
"""… and differs by so many levels from the paper, and from the third line after it: it ends sharply, and no
pixels next to one another do so where it ends: no stroke of a digit begins there."""
FADING = 64
"""Pixels of a side, from which on an edge may fade into one line more."""
SEEN = 400
"""An edge is looked for in about so many pixels of each line."""


def trimmed(grey: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Return uint8[h, w] of uint8[H, W], without what is an edge of any side."""
    import numpy as np

    step = -(-max(grey.shape) // SEEN)
    paper = int(np.median(grey[::step, ::step]))
    top, left, bottom, right = (
        _edge(lines, paper) for lines in (grey[:, ::step], grey.T[:, ::step], grey[::-1, ::step], grey.T[::-1, ::step])
    )
    inside = grey[top : len(grey) - bottom, left : grey.shape[1] - right]
    sides = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
    is_clean = all(np.abs(np.diff(side.astype(np.int16))).max(initial=0) < STEP for side in sides)
    return inside if is_clean else grey


def _edge(lines: "NDArray[np.uint8]", paper: int) -> int:
    """Return how many lines at the start of uint8[H, W] are an edge."""
    import numpy as np

    deepest = len(lines) // DEEP
    levels = np.median(lines[: deepest + 3], axis=1)
    edge = np.abs(levels - paper) >= STEP
    if deepest == 0 or not edge[0] or edge.all():
        return 0
    deep = int(np.argmin(edge))
    is_sharp = abs(levels[min(deep + 1, len(levels) - 1)] - levels[max(deep - 2, 0)]) >= STEP
    return deep + (len(lines) >= FADING) if deep <= deepest and is_sharp else 0
