"""Mark the rows that are worth choosing, recommend one, and say what surprises."""

import dataclasses
from collections.abc import Callable, Sequence

from lenetx_runtime.spec import FLOAT32

from .result import Row
from .statistics import differs, times_as_long

__all__ = ["PURPOSES", "recommended", "slower_than_float32", "too_noisy", "with_pareto"]

PURPOSES = ("latency", "throughput", "size")
_NOISY = 0.1
_LISTED = 3
_SHORT = {"float16": "fp16"}


def with_pareto(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with ``pareto`` set, each compared with those of its batch size."""
    return [dataclasses.replace(row, pareto=_is_best(row, rows)) for row in rows]


def _is_best(row: Row, rows: Sequence[Row]) -> bool | None:
    if row.p50 is None or row.subject.accuracy is None:
        return None
    mine = row.subject.accuracy, -row.p50.value
    for other in rows:
        if other.batch != row.batch or other.p50 is None or other.subject.accuracy is None:
            continue
        theirs = other.subject.accuracy, -other.p50.value
        if theirs != mine and all(a >= b for a, b in zip(theirs, mine, strict=True)):
            return False
    return True


def recommended(rows: Sequence[Row], purpose: str) -> str:
    """Return a sentence that recommends an artifact, and names those that cannot be told apart from it.

    Args:
        rows: the rows of all configurations.
        purpose: one of ``PURPOSES``: the least time of the smallest batch, the most images per second in any batch,
            or the smallest file.
    """
    timed = [row for row in rows if row.p50 is not None and not row.subject.is_eager]
    if not timed:
        return f"For {purpose}: no artifact ran, so none is recommended."
    smallest = min(row.batch for row in timed)
    of_one_image = [row for row in timed if row.batch == smallest]
    if purpose == "size":
        best = min(timed, key=lambda row: (row.subject.size_bytes, row.batch, _seconds(row)))
        return (
            f"For size: {best.subject.artifact}, {best.subject.size_bytes:,} bytes{_right(best)}; "
            f"{_time(best)} with {best.subject.engine}."
        )
    if purpose == "throughput":
        best = max(timed, key=lambda row: row.images_per_second or 0)
        words = f"{best.images_per_second:,.0f} images per second in batches of {best.batch}"
    else:
        best = min(of_one_image, key=_seconds)
        words = _time(best)
    return f"For {purpose}: {best.subject.words}, {words}{_right(best)}.{_rivals(best, timed)}"


def _rivals(best: Row, timed: Sequence[Row]) -> str:
    """Return a sentence about rows of the same batch size that noise hides behind the best one."""
    same = [
        row
        for row in timed
        if row is not best and row.batch == best.batch and len(row.medians) == len(best.medians)
        if not differs(row.medians, best.medians)
    ]
    if not same:
        return ""
    names = ", ".join(row.subject.words for row in sorted(same, key=_seconds)[:_LISTED])
    more = f" and {len(same) - _LISTED} more" if len(same) > _LISTED else ""
    return f" Not to be told apart from it in these rounds: {names}{more}."


def slower_than_float32(rows: Sequence[Row]) -> list[str]:
    """Return a sentence for each reduced precision that is measurably slower than float32 with the same engine."""
    return [
        f"{_SHORT.get(precision, precision)} is slower than float32 here: {'; '.join(found)}."
        for precision in dict.fromkeys(row.subject.precision for row in rows)
        if precision not in ("", FLOAT32)
        if (found := _slower(rows, precision))
    ]


def _slower(rows: Sequence[Row], precision: str) -> list[str]:
    found = []
    for row in rows:
        if row.subject.precision != precision or row.p50 is None:
            continue
        whole = next((other for other in rows if _is_float32_of(other, row)), None)
        if whole is None or not differs(row.medians, whole.medians):
            continue
        ratio = times_as_long(row.medians, whole.medians)
        if ratio > 1:
            found.append(f"{ratio:.2f} times as long in batches of {row.batch} ({row.subject.engine})")
    return found


def _is_float32_of(other: Row, row: Row) -> bool:
    def kind(one: Row) -> tuple[object, ...]:
        return one.batch, one.subject.checkpoint, one.subject.format, one.subject.engine

    return (
        other.subject.precision == FLOAT32
        and bool(row.subject.checkpoint)
        and kind(other) == kind(row)
        and len(other.medians) == len(row.medians)
    )


def too_noisy(rows: Sequence[Row]) -> str:
    """Return a sentence if rounds differ much from one another; an empty string otherwise."""
    noisy = [row for row in rows if (row.noise or 0) > _NOISY]
    if not noisy:
        return ""
    worst = max(row.noise or 0 for row in noisy)
    return (
        f"The machine was busy: in {len(noisy)} of {sum(row.p50 is not None for row in rows)} rows the middle half of "
        f"the rounds spreads over more than {_NOISY:.0%} of the median{_at_most(worst)}. Small differences between "
        "such rows mean nothing: repeat on an idle machine."
    )


def _at_most(spread: float) -> str:
    return f", at most {spread:.0%}" if spread < 1 else ", some over more than all of it"


def _time(row: Row) -> str:
    images = "one image" if row.batch == 1 else f"{row.batch} images"
    return f"{1e3 * _seconds(row):.3g} ms for {images}"


def _right(row: Row) -> str:
    return "" if row.subject.accuracy is None else f", accuracy {row.subject.accuracy:.2%}"


_seconds: Callable[[Row], float] = lambda row: float("inf") if row.p50 is None else row.p50.value  # noqa: E731
