"""What frames a page at the picture's very edge: a dark line of one pixel or more, the table, the scanner's lid."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["trimmed"]

DEEP = 5
"""An edge has at most the picture's side divided by this …"""
STEP = 40
"""… and differs by so many levels from the paper, and from the third line after it: it ends sharply …"""
CLEAN = 50
"""… where at most one pixel in so many is anything else than paper: no stroke of a digit begins there."""
SEEN = 400
"""An edge is looked for in about so many pixels of each line."""


def trimmed(grey: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Return uint8[h, w] of uint8[H, W], without what is an edge of any side."""
    import numpy as np

    step = -(-max(grey.shape) // SEEN)
    paper = int(np.median(grey[::step, ::step]))
    bottom, right = grey.shape
    top, left = _edge(grey[:, ::step], paper), _edge(grey.T[:, ::step], paper)
    bottom -= _edge(grey[::-1, ::step], paper)
    right -= _edge(grey.T[::-1, ::step], paper)
    return grey[top:bottom, left:right]


def _edge(lines: "NDArray[np.uint8]", paper: int) -> int:
    """Return how many lines at the start of uint8[H, W] are an edge."""
    import numpy as np

    deepest = len(lines) // DEEP
    levels = np.median(lines[: deepest + 3], axis=1)
    edge = np.abs(levels - paper) >= STEP
    if deepest == 0 or not edge[0] or edge.all():
        return 0
    deep = int(np.argmin(edge))
    if deep > deepest or abs(levels[min(deep + 1, len(levels) - 1)] - levels[max(deep - 2, 0)]) < STEP:
        return 0
    inside = lines[deep + 1].astype(np.int16) - int(levels[deep + 1])
    return deep + 1 if np.count_nonzero(np.abs(inside) >= STEP) * CLEAN <= len(inside) else 0
