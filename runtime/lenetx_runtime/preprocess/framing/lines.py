"""Remove the lines of ruled and squared paper, and of forms, even where they cross or touch a digit.

A line is a long, nearly straight path, found by a path opening; ink on it that is thicker than the line, up and down,
is a stroke of the digit and stays. Source: Heijmans, Buckley, Talbot, "Path openings and closings", 2005.
"""

from typing import TYPE_CHECKING, Any

from .resize import running

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["without_lines"]

STEP, STEPS = 8, 12
"""A line, even a curved one, rises or falls by at most one pixel in ``STEP`` (7°); a side has at least ``STEPS``
steps."""
SMALL = 48
"""Shorter sides, in pixels, have no lines."""
GAP = 2
"""Cost of a missing pixel in a path, in pixels."""
REACHING, LONG, END = 0.9, 0.8, 0.3
"""Minimum length as a share of a side: of a line from border to border, and of any other, to which each end at the
border adds the third number.
Lines are removed if one goes from border to border or they are fine."""
SEEN = 0.5
"""Share of the columns in which a line from border to border is seen: it may leave the image above or below."""
FINE = 1.5
"""A line is fine if other ink is at least this many times as thick."""
SHORT = 0.3
"""If there are fine lines, ink that is as thin and spans this share of a side is the end of a line cut by a margin."""
THIN = 25
"""Lines are at most 2 pixels thick, or the shorter side divided by this."""


def without_lines(mask: "NDArray[np.bool_]") -> "NDArray[np.bool_]":
    """Return the possible ink, bool[h, w], without lines from left to right and from top to bottom."""
    thinned: NDArray[np.bool_] = _without_rows(_without_rows(mask).T).T
    return thinned


def _without_rows(mask: "NDArray[np.bool_]") -> "NDArray[np.bool_]":
    import numpy as np

    if min(mask.shape) < SMALL or mask.any(axis=0).mean() < LONG:
        return mask
    step = min(STEP, mask.shape[1] // STEPS)
    columns = -(-mask.shape[1] // step)
    end = int(END * columns)
    scores = _paths(mask, step, end)
    path, whole = (
        (scores >= least).repeat(step, axis=1)[:, : mask.shape[1]] & mask
        for least in (LONG * columns, REACHING * columns + 2 * end)
    )
    if not path.any():
        return mask
    high = _run_lengths(mask)
    thickness = float(np.median(high[path & ~np.pad(path, ((1, 0), (0, 0)))[:-1]]))
    side = int(FINE * thickness) + 1
    is_fine = bool(running(running(mask, side, 0, np.logical_and), side, 1, np.logical_and).any())
    if not (is_fine or whole.any(axis=0).mean() >= SEEN) or thickness > max(2, min(mask.shape) / THIN):
        return mask
    if is_fine:
        path = (_paths(mask, step, 0) >= SHORT * columns).repeat(step, axis=1)[:, : mask.shape[1]]
    thinned: NDArray[np.bool_] = mask & ~(path & (high <= thickness + 1))
    return thinned


def _paths(mask: "NDArray[np.bool_]", step: int, end: int) -> "NDArray[np.int64]":
    """Count the blocks of the best path from left to right through each block, plus ``end`` per end at the border.

    It may continue outside, where a slanted line leaves the image.
    """
    import numpy as np

    height, width = mask.shape
    blocks = np.pad(mask, ((1, 1), (0, -width % step)))
    blocks[[0, -1]] = True
    blocks = np.logical_or.reduce(blocks.reshape(height + 2, -1, step), axis=2)
    gains = np.where(blocks, 1, -GAP)
    both = np.stack([gains.T, gains.T[::-1]], axis=1)
    lengths = np.zeros_like(both)
    best = np.where(both[0] > 0, end, 0)
    for column in range(blocks.shape[1]):
        if column:
            near = np.maximum(best[:, 1:], best[:, :-1])
            best[:, 1:-1] = np.maximum(near[:, 1:], near[:, :-1])
            best[:, [0, -1]] = near[:, [0, -1]]
        best = np.maximum(best + both[column], 0)
        lengths[column] = best
    scores: NDArray[np.int64] = (lengths[:, 0] + lengths[::-1, 1] - gains.T).T[1:-1]
    return scores


def _run_lengths(mask: "NDArray[np.bool_]") -> "NDArray[Any]":
    """Return the length of the vertical run of each pixel."""
    import numpy as np

    turned = np.pad(mask.T, ((0, 0), (1, 1)))
    edges = np.flatnonzero(turned.ravel()[1:] != turned.ravel()[:-1])
    lengths = edges[1::2] - edges[::2]
    found = np.zeros(turned.shape, np.int64)
    found[turned] = np.repeat(lengths, lengths)
    return found[:, 1:-1].T
