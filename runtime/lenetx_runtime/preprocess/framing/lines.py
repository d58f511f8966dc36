"""The lines of ruled and squared paper, and of forms, also where they cross a digit or touch it.

A line is a long path that is nearly straight, as a path opening finds it; ink on it that is thicker than the line, up
and down, is a stroke of the digit and stays. Source: Heijmans, Buckley, Talbot, "Path openings and closings", 2005.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["without_lines"]

STEP, STEPS = 8, 12
"""A line, also a curved one, rises or falls by at most one pixel in so many, that is 7°; a side has so many steps at
least."""
SMALL = 48
"""Pixels of a side without lines."""
GAP = 2
"""Pixels that one missing in a path costs."""
REACHING, LONG, END = 0.9, 0.8, 0.3
"""Shares of a side: of a line from border to border, of any other, and how much less is enough for each end at the
border. There is one from border to border, or it is …"""
SEEN = 0.5
"""Share of the columns in which it is seen: it may leave the picture above or below."""
FINE = 0.5
"""… this much thinner than the digit's strokes."""
THIN = 25
"""It is thinner than the shorter side divided by this, or has 2 pixels."""


def without_lines(mask: "NDArray[np.bool_]") -> "NDArray[np.bool_]":
    """Return bool[h, w], what may be ink, without lines from left to right and from top to bottom."""
    thinned: NDArray[np.bool_] = _without_rows(_without_rows(mask).T).T
    return thinned


def _without_rows(mask: "NDArray[np.bool_]") -> "NDArray[np.bool_]":
    import numpy as np

    if min(mask.shape) < SMALL or mask.any(axis=0).mean() < LONG:
        return mask
    step = min(STEP, mask.shape[1] // STEPS)
    lengths, ends = _paths(mask, step)
    columns = lengths.shape[1]
    long, reaching = lengths >= (LONG - END * ends) * columns, (ends == 2) & (lengths >= REACHING * columns)
    path, whole = (blocks.repeat(step, axis=1)[:, : mask.shape[1]] & mask for blocks in (long, reaching))
    if not path.any():
        return mask
    high = _run_lengths(mask)
    thickness = float(np.median(high[path & ~np.pad(path, ((1, 0), (0, 0)))[:-1]]))
    strokes = float(np.percentile(np.minimum(high, _run_lengths(mask.T).T)[mask], 90))
    is_line = whole.any(axis=0).mean() >= SEEN or thickness <= FINE * strokes
    if not is_line or thickness > max(2, min(mask.shape) / THIN):
        return mask
    thinned: NDArray[np.bool_] = mask & ~(path & (high <= thickness + 1))
    return thinned


def _paths(mask: "NDArray[np.bool_]", step: int) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Return the length and the ends at the border, 0 to 2, of the path from left to right through each block.

    It is the longest of those with most ends. It may go on above and below, where a line aslant leaves the picture.
    """
    import numpy as np

    height, width = mask.shape
    blocks = np.pad(mask, ((1, 1), (0, -width % step)))
    blocks[[0, -1]] = True
    blocks = np.logical_or.reduce(blocks.reshape(height + 2, -1, step), axis=2)
    columns = blocks.shape[1]
    gains = np.where(blocks, 1, -GAP)
    both = np.stack([gains.T, gains.T[::-1]], axis=1)  # from the left and from the right
    lengths = np.zeros_like(both)
    end = 10 * columns  # more than any path loses
    best = np.where(both[0] > 0, end, 0)
    for column in range(columns):
        if column:
            near = np.maximum(best[:, 1:], best[:, :-1])
            best[:, 1:-1] = np.maximum(near[:, 1:], near[:, :-1])
            best[:, [0, -1]] = near[:, [0, -1]]
        best = np.maximum(best + both[column], 0)
        lengths[column] = best
    total: NDArray[np.int64] = lengths[:, 0] + lengths[::-1, 1] - gains.T
    ends = (total + end // 2) // end
    return (total - ends * end).T[1:-1], ends.T[1:-1]


def _run_lengths(mask: "NDArray[np.bool_]") -> "NDArray[Any]":
    """Count, for each pixel of the mask, those that it has without a gap, up and down."""
    import numpy as np

    turned = np.pad(mask.T, ((0, 0), (1, 1)))
    edges = np.flatnonzero(turned.ravel()[1:] != turned.ravel()[:-1])
    lengths = edges[1::2] - edges[::2]
    found = np.zeros(turned.shape, np.int64)
    found[turned] = np.repeat(lengths, lengths)
    return found[:, 1:-1].T
