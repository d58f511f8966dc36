"""Remove what is on the paper beside the digit: specks, the lines of a form or of ruled paper, its edge, a thumb."""

from typing import TYPE_CHECKING, Any

from .lines import without_lines

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["boxes_of", "parts_of", "without"]

SPECK = 0.02
"""A part of less than this share of the largest one's area is a speck."""
PIECE, CLOSE = 0.25, 12
"""Where lines were removed, a part of less than this share is left over from them, unless it is near the largest."""
SPAN, THIN = 0.9, 30
"""A part at the border that spans this share of a side, or is thinner than the shorter side divided by ``THIN``, is a
line or an edge, if a digit is left."""
LONG, RULE = 0.8, 10
"""Anywhere, a part of this share of a side that is ``RULE`` times as long as wide is a line too."""
DIGIT = 8
"""A digit touches no border and has at least the image's shorter side divided by this."""
PAPER = 3
"""A part of more than the image's area divided by this is paper, on something else."""
NEAR, THICK, SLIM = 4, 1.5, 3
"""A stroke at the border belongs to the digit if it is near (the digit's longer side divided by this), at most
``THICK`` times as thick, and ends there (its length divided by ``SLIM``); else it is a thumb, a shadow or the paper's
edge."""
DRAWN = 0.6
"""A part with ink along this share of each side of its box surrounds what is inside …"""
INSIDE = 4
"""… if that is at least as long as the box's shorter side divided by this, unlike the dot of a dotted zero."""


def without(
    mask: "NDArray[np.bool_]", sure: "NDArray[np.bool_]", beyond: "NDArray[np.bool_] | bool" = False
) -> "NDArray[np.bool_]":
    """Return the ink of an image, bool[h, w], without what is not part of its digit.

    Parts are connected by sides or corners.

    Args:
        mask: bool[h, w], possible ink.
        sure: bool[h, w], certain ink: a part without any is removed.
        beyond: bool[h, w], what is not paper: touching it is like touching the border.
    """
    import numpy as np

    beyond = np.ones(mask.shape, np.bool_) & beyond
    beyond[[0, -1]], beyond[:, [0, -1]] = True, True
    parts, has_lines = _parts_without_lines(mask, sure, beyond)
    if parts.max(initial=0) < 2 and not has_lines:
        return parts > 0
    areas = np.bincount(parts.ravel(), minlength=2)[1:]
    kept = _kept(parts, areas, _met(parts, beyond))
    areas *= kept
    kept &= areas >= SPECK * areas.max()
    if has_lines:
        kept &= (areas >= PIECE * areas.max()) | _near(boxes_of(parts), int(np.argmax(areas)), CLOSE)
    return np.concatenate([[False], kept])[parts]


def _parts_without_lines(
    mask: "NDArray[np.bool_]", sure: "NDArray[np.bool_]", beyond: "NDArray[np.bool_]"
) -> "tuple[NDArray[np.int64], bool]":
    """Return the parts, without lines if a digit remains, and whether lines were removed."""
    import numpy as np

    thinned = without_lines(mask)
    parts = _sure_parts(thinned, sure)
    if np.array_equal(thinned, mask):
        return parts, False
    boxes, areas = boxes_of(parts), np.bincount(parts.ravel())[1:]
    if _free(boxes, areas, _met(parts, beyond) > 0, mask.shape).any():
        return parts, True
    return _sure_parts(mask, sure), False


def _sure_parts(mask: "NDArray[np.bool_]", sure: "NDArray[np.bool_]") -> "NDArray[np.int64]":
    import numpy as np

    parts = parts_of(mask)
    kept = np.zeros(int(parts.max()) + 1, np.bool_)
    kept[parts[sure]] = True
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0)[parts]


def _free(
    boxes: "NDArray[Any]", areas: "NDArray[Any]", touching: "NDArray[np.bool_]", shape: tuple[int, ...]
) -> "NDArray[np.bool_]":
    sizes = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    free: NDArray[np.bool_] = ~touching & (sizes >= min(shape) / DIGIT) & (areas * PAPER <= shape[0] * shape[1])
    return free & ~_rules(boxes, shape)


def _rules(boxes: "NDArray[Any]", shape: tuple[int, ...]) -> "NDArray[np.bool_]":
    """Return which parts are straight lines, nearly as long as the image."""
    import numpy as np

    sides = boxes[:, 2:] - boxes[:, :2]
    rules: NDArray[np.bool_] = ((sides >= LONG * np.array(shape)) & (sides[:, ::-1] * RULE <= sides)).any(axis=1)
    return rules


def _met(parts: "NDArray[Any]", beyond: "NDArray[np.bool_]") -> "NDArray[np.int64]":
    """Count each part's cells at the border or beyond the paper."""
    import numpy as np

    return np.bincount(parts[beyond], minlength=int(parts.max()) + 1)[1:]


def _kept(parts: "NDArray[Any]", areas: "NDArray[Any]", met: "NDArray[np.int64]") -> "NDArray[np.bool_]":
    """Return which parts are not lines, boxes, edges of the paper or thumbs."""
    import numpy as np

    boxes, shape = boxes_of(parts), np.array(parts.shape)
    sides = boxes[:, 2:] - boxes[:, :2]
    free = _free(boxes, areas, met > 0, parts.shape)
    kept = np.ones(len(boxes), np.bool_)
    if free.any():
        lines = (sides.min(axis=1) <= shape.min() / THIN) | (sides >= SPAN * shape).any(axis=1)
        belong = _belong(boxes, areas, met, int(np.argmax(areas * free)))
        kept = np.where(met > 0, ~lines & belong, ~_rules(boxes, parts.shape))
    for index in np.flatnonzero(kept & (sides.min(axis=1) >= shape.min() / DIGIT)).tolist():
        within = (boxes[:, :2] > boxes[index, :2]).all(axis=1) & (boxes[:, 2:] < boxes[index, 2:]).all(axis=1)
        if (sides[within].max(initial=0) >= sides[index].min() / INSIDE) and _is_box(parts, index + 1, boxes[index]):
            kept[index] = False
    return kept


def _belong(boxes: "NDArray[Any]", areas: "NDArray[Any]", met: "NDArray[Any]", digit: int) -> "NDArray[np.bool_]":
    """Return which parts are strokes of the digit that end at the border."""
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    thickness = areas / sides
    strokes: NDArray[np.bool_] = (thickness <= THICK * thickness[digit]) & (met * SLIM <= sides)
    return strokes & _near(boxes, digit, NEAR)


def _near(boxes: "NDArray[Any]", digit: int, share: int) -> "NDArray[np.bool_]":
    room = (boxes[digit, 2:] - boxes[digit, :2]).max() / share
    apart = (boxes[:, :2] > boxes[digit, 2:] + room) | (boxes[:, 2:] < boxes[digit, :2] - room)
    near: NDArray[np.bool_] = ~apart.any(axis=1)
    return near


def _is_box(parts: "NDArray[Any]", number: int, box: "NDArray[Any]") -> bool:
    top, left, bottom, right = box
    ink = parts[top:bottom, left:right] == number
    rows, columns = max(1, ink.shape[0] // 10), max(1, ink.shape[1] // 10)
    sides = ink[:rows].any(axis=0), ink[-rows:].any(axis=0), ink[:, :columns].any(axis=1), ink[:, -columns:].any(axis=1)
    return all(side.mean() >= DRAWN for side in sides)


def boxes_of(parts: "NDArray[Any]") -> "NDArray[np.int64]":
    """Return top, left, bottom, right of each part, the last two exclusive."""
    import numpy as np

    rows, columns = np.nonzero(parts)
    numbers = parts[rows, columns] - 1
    count = int(parts.max())
    found = np.zeros((count, 4), np.int64)
    found[:, :2] = parts.shape
    for column, values in enumerate((rows, columns)):
        np.minimum.at(found[:, column], numbers, values)
        np.maximum.at(found[:, column + 2], numbers, values + 1)
    return found


def parts_of(mask: "NDArray[np.bool_]") -> "NDArray[np.int64]":
    """Number the connected parts from 1: runs of each row are joined with those above that they touch (union–find)."""
    import numpy as np

    steps = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    roots = _joined(rows.tolist(), starts.tolist(), ends.tolist())
    numbers = np.unique(np.array(roots, np.int64), return_inverse=True)[1] + 1
    parts = np.zeros(mask.shape, np.int64)
    parts[mask] = np.repeat(numbers, ends - starts)
    return parts


def _joined(rows: list[int], starts: list[int], ends: list[int]) -> list[int]:
    """Return the first run of the part of each run; runs come row by row, ends exclusive."""
    parents = list(range(len(rows)))

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = parents[parents[run]]
            run = parents[run]
        return run

    first = 0
    for run, row in enumerate(rows):
        while rows[first] < row - 1 or (rows[first] == row - 1 and ends[first] < starts[run]):
            first += 1
        above = first
        while rows[above] == row - 1 and starts[above] <= ends[run]:
            one, other = root(above), root(run)
            parents[max(one, other)] = min(one, other)
            above += 1
    return [root(run) for run in range(len(rows))]
