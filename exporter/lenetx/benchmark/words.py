"""Lay out a result as tables of text, the same on the screen and on the page."""

from dataclasses import dataclass

from .result import BenchResult, Row, Subject
from .statistics import Estimate

__all__ = ["BEST", "MISSING", "Table", "failures", "legend", "tables"]

BEST, MISSING = "★", "–"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text.

    Attributes:
        title: what its rows have in common.
        heading: the names of the columns; the first two hold text, the others numbers.
        rows: as many cells in each.
    """

    title: str
    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(result: BenchResult) -> list[Table]:
    """Return a table of the configurations, then one of times for each batch size."""
    ran = [subject for subject in result.subjects if subject.peak_bytes is not None or subject.load_seconds is not None]
    first = Table(
        f"Files and engines ({result.images})",
        ("file", "engine", "KiB", "load ms", "peak MiB", "accuracy", "flips"),
        tuple(map(_about, ran)),
    )
    return [*([first] if ran else []), *(_times(result, batch) for batch in result.batches)]


def _times(result: BenchResult, batch: int) -> Table:
    images = "1 image" if batch == 1 else f"{batch:,} images"
    rows = sorted((row for row in result.rows if row.batch == batch and row.p50 is not None), key=_seconds)
    heading = ("file", "engine", "p50 ms", "95 %", "p99 ms", "95 %", "images/s", "noise", "")
    return Table(f"{images} per call, {result.rounds} rounds", heading, tuple(map(_row, rows)))


def _seconds(row: Row) -> float:
    return 0.0 if row.p50 is None else row.p50.value


def _about(subject: Subject) -> tuple[str, ...]:
    return (
        subject.artifact,
        subject.engine,
        f"{subject.size_bytes / 1024:,.1f}",
        MISSING if subject.load_seconds is None else _ms(subject.load_seconds),
        MISSING if subject.peak_bytes is None else f"{subject.peak_bytes / 2**20:,.0f}",
        MISSING if subject.accuracy is None else f"{subject.accuracy:.2%}",
        MISSING if subject.flips is None else f"{subject.flips:,}",
    )


def _row(row: Row) -> tuple[str, ...]:
    rate = MISSING if row.images_per_second is None else f"{row.images_per_second:,.0f}"
    spread = MISSING if row.noise is None else f"{row.noise:.0%}" if row.noise <= 1 else "> 100%"
    best = BEST if row.pareto else ""
    return (row.subject.artifact, row.subject.engine, *_estimate(row.p50), *_estimate(row.p99), rate, spread, best)


def _estimate(found: Estimate | None) -> tuple[str, str]:
    """Return a time and its interval, in milliseconds."""
    if found is None:
        return MISSING, ""
    return _ms(found.value), f"{_ms(found.low)}–{_ms(found.high)}"


def _ms(seconds: float) -> str:
    value = 1e3 * seconds
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def failures(result: BenchResult) -> list[str]:
    """Return a sentence for each row without times."""
    return [
        f"{row.subject.artifact} ({row.subject.engine})"
        + (f", batches of {row.batch}" if row.batch else "")
        + f": {row.problem}"
        for row in result.rows
        if row.problem
    ]


def legend(result: BenchResult) -> list[str]:
    """Return the sentences that explain the columns."""
    marked = any(row.pareto for row in result.rows)
    best = f"{BEST} nothing else is both as fast and as accurate, and better in one of the two. " if marked else ""
    return [
        f"{best}noise: spread of the middle half of the rounds' medians. load: opening the file, without imports. "
        "peak: memory of a fresh process with Python and the engine, after one call. flips: labels that differ from "
        "eager PyTorch's."
    ]
