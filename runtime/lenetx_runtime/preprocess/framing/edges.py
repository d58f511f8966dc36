"""Remove what surrounds a page at the image's edge: a dark line, the table, the scanner's lid."""

from typing import TYPE_CHECKING

from .resize import borders, enlarged, neighbours, reduce
from .strays import boxes_of, parts_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["box", "sheet", "trimmed"]

CELLS = 160
"""Maximum number of cells along the longer side, to look for a sheet."""
SHARP = 0.9
"""Share of a sheet's edge at which levels differ, within two cells, by half of ``STEP``."""
SQUARE = 0.9
"""Share of its smallest enclosing rectangle that a sheet fills."""
WRITTEN = 8
"""Something on the sheet is at least as long as the image's shorter side divided by this."""
DEEP = 5
"""An edge is at most as thick as the side divided by this."""
STEP = 40
"""Levels by which an edge differs from the paper, and from the third line after it. Where it ends, nearby pixels
differ by less; otherwise it may be a stroke of a digit, or the paper around one."""
NEAR = 16
"""Pixels are near within their line's length divided by this."""
CLEAR = 6
"""For several edges it is enough if at most one pixel in this many around the inside is not paper."""
FADING = 64
"""Length of a side, in pixels, from which an edge may fade into one more line."""
SEEN = 400
"""About how many pixels of a line are sampled."""


def trimmed(grey: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Return uint8[H, W] without the edges at its sides, uint8[h, w]."""
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


def sheet(grey: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Return the box around a sheet on a table, uint8[h, w] of uint8[H, W]; the sheet's light continues on the table.

    The table is what reaches the border and is closer to the border's level than to that of the rest.
    """
    import numpy as np

    factor = -(-max(grey.shape) // CELLS)
    cells = reduce(grey, factor).astype(np.int16)
    table = int(np.median(borders(cells[None])))
    other = np.abs(cells - table) >= STEP
    if not other.any():
        return grey
    level = int(np.median(cells[box(other)]))
    if abs(level - table) < STEP:
        return grey
    parts = parts_of(np.abs(cells - table) < np.abs(cells - level))
    beyond = np.isin(parts, borders(parts[None])) & (parts > 0)
    things = boxes_of(np.where(beyond, 0, parts))
    if (things[:, 2:] - things[:, :2]).max(initial=0) * WRITTEN < min(cells.shape) or not _is_sheet(cells, beyond):
        return grey
    within = box(~beyond)
    beyond = left = neighbours(beyond, np.logical_or, 2)
    while left.any() and not left.all():
        grown = neighbours(np.where(left, -1, cells), np.maximum)
        cells, left = np.where(left, grown, cells), left & (grown < 0)
    light, outside = (enlarged(some, factor, grey.shape) for some in (cells.astype(np.uint8), beyond))
    rows, columns = (slice(side.start * factor, side.stop * factor) for side in within)
    return np.where(outside, light, grey)[rows, columns]


def _is_sheet(cells: "NDArray[np.int16]", beyond: "NDArray[np.bool_]") -> bool:
    """Return whether what is not ``beyond`` fills a rectangle, at any angle, with sharp edges."""
    import numpy as np

    rows, columns = np.nonzero(~beyond)
    turned = (columns + 1j * rows)[:, None] * np.exp(1j * np.deg2rad(np.arange(-45, 45, 3)))
    least = ((np.ptp(turned.real, axis=0) + 1) * (np.ptp(turned.imag, axis=0) + 1)).min()
    edge = beyond & neighbours(~beyond, np.logical_or)
    steps = neighbours(cells, np.maximum, 2) - neighbours(cells, np.minimum, 2)
    return bool(edge.any() and len(rows) >= SQUARE * least and (steps[edge] >= STEP / 2).mean() >= SHARP)


def box(mask: "NDArray[np.bool_]") -> tuple[slice, ...]:
    """Return the rows and columns of the smallest box around a mask."""
    import numpy as np

    places = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return tuple(slice(some[0], some[-1] + 1) for some in places)


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
    """Return whether levels change slowly, as light does."""
    import numpy as np

    lag = len(side) // NEAR + 1
    return bool(np.abs(side[lag:] - side[:-lag]).max(initial=0) < STEP)
