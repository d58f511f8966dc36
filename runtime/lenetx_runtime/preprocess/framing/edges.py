"""What frames a page at the picture's edge: a dark line, the table, the scanner's lid."""

from typing import TYPE_CHECKING

from .resize import borders

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["trimmed"]

DEEP = 5
"""An edge has at most the side divided by this …"""
STEP = 40
"""… and differs by so many levels from the paper, and from the third line after it. No pixels near one another do so
where it ends: else it may be a stroke of a digit, or the paper around one …"""
NEAR = 16
"""Near is their line's length divided by this."""
CLEAR = 6
"""… unless there are several, and all but one pixel in so many around what they frame is paper."""
FADING = 64
"""Pixels of a side, from which an edge may fade into one line more."""
SEEN = 400
"""Pixels of a line that are looked at, about."""


def trimmed(grey: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Return uint8[h, w] of uint8[H, W], without what is an edge of any side."""
    import numpy as np

    step = -(-max(grey.shape) // SEEN)
    paper = int(np.median(grey[::step, ::step]))
    edges = [
        _edge(lines, paper) for lines in (grey[:, ::step], grey.T[:, ::step], grey[::-1, ::step], grey.T[::-1, ::step])
    ]
    top, left, bottom, right = edges
    inside = grey[top : len(grey) - bottom, left : grey.shape[1] - right]
    is_clean = all(_is_even(side.astype(np.int16)) for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
    if is_clean or np.count_nonzero(edges) < 2:
        return inside if is_clean else grey
    other = np.abs(borders(inside[None])[0] - np.int16(paper)) >= STEP
    return inside if np.count_nonzero(other) * CLEAR <= len(other) else grey


def _edge(lines: "NDArray[np.uint8]", paper: int) -> int:
    """Count the lines of an edge at the start."""
    import numpy as np

    deepest = len(lines) // DEEP
    levels = np.median(lines[: deepest + 3], axis=1)
    edge = np.abs(levels - paper) >= STEP
    if deepest == 0 or not edge[0] or edge.all():
        return 0
    deep = int(np.argmin(edge))
    is_sharp = abs(levels[min(deep + 1, len(levels) - 1)] - levels[max(deep - 2, 0)]) >= STEP
    return deep + (len(lines) >= FADING) if deep <= deepest and is_sharp else 0


def _is_even(side: "NDArray[np.int16]") -> bool:
    """Tell whether levels change slowly, as light does."""
    import numpy as np

    lag = len(side) // NEAR + 1
    return bool(np.abs(side[lag:] - side[:-lag]).max(initial=0) < STEP)
