"""Join integer steps: maxima and tables become part of the step before them, and tables that change nothing go."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .steps import Affine, MaxPool, Step, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fused"]


def fused(steps: Sequence[Step]) -> tuple[list[Step], dict[str, str]]:
    """Return fewer steps that compute the same logits, and for each tensor that lies where another does, which one."""
    readers = Counter(name for step in steps for name in step.reads)
    found: list[Step] = []
    made: dict[str, int] = {}
    same: dict[str, str] = {}
    for step in steps:
        source = step.reads[0]
        if isinstance(step, Table) and (step.table == np.arange(-128, 128)).all():
            same[step.writes] = same.get(source, source)
            readers[same[step.writes]] += readers[step.writes] - 1
            continue
        step = replace(step, reads=tuple(same.get(name, name) for name in step.reads))
        before = made.get(step.reads[0])
        joined = None if before is None or readers[step.reads[0]] > 1 else _joined(found[before], step)
        if joined is None:
            found.append(step)
            made[step.writes] = len(found) - 1
        else:
            assert before is not None
            found[before] = joined
            made[step.writes] = before
    return found, same


def _joined(step: Step, after: Step) -> Step | None:
    """Return one step for two, or ``None`` if there is none."""
    named: dict[str, Any] = {"writes": after.writes, "shape": after.shape}
    if isinstance(step, Affine) and isinstance(after, MaxPool) and _is_plain(step, after):
        return replace(step, pool=(after.pool.window[0], after.pool.window[1]), table=after.table, **named)
    if isinstance(step, Affine | MaxPool) and isinstance(after, Table):
        channels = len(step.order) if isinstance(step, Affine) else step.given[0]
        if len(after.table) in (1, channels):
            return replace(step, table=_composed(step.table, after.table), **named)
    return None


def _is_plain(step: Affine, after: MaxPool) -> bool:
    """Return whether a layer can take the maximum of its sums before it rescales them."""
    pool = after.pool
    is_whole = all(size * length <= sums for size, length, sums in zip(after.size, pool.window, step.size, strict=True))
    is_alone = step.table is None and step.pool == (1, 1) and after.given[1:] == step.size
    return is_alone and is_whole and pool.window == pool.strides and pool.is_plain and not any(pool.pads)


def _composed(first: "NDArray[np.int8] | None", second: "NDArray[np.int8]") -> "NDArray[np.int8]":
    if first is None:
        return second
    rows = max(len(first), len(second))
    places = np.broadcast_to(first, (rows, 256)).astype(np.int64) + 128
    return np.take_along_axis(np.broadcast_to(second, (rows, 256)), places, axis=1)
