"""Draw accuracy against latency, with the size of the files as areas."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .result import BenchResult, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["to_png"]

_MOST_PANELS = 4
_LEAST_ROOM = 0.5
"""Percentage points above and below the markers, at least: smaller differences shall look small."""
_LARGEST_AREA, _SMALLEST_AREA = 700.0, 25.0
"""Areas of markers, in square points."""


def to_png(result: BenchResult) -> bytes:
    """Return a PNG: one panel per batch size, one marker per file at its fastest engine.

    Without accuracies, the vertical axis shows the size instead.
    """
    import matplotlib
    from matplotlib.figure import Figure

    batches = result.batches[:_MOST_PANELS]
    names = list(dict.fromkeys(row.subject.artifact for row in result.rows if row.p50 is not None))
    colours = {name: f"C{number % 10}" for number, name in enumerate(names)}
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, "text.parse_math": False}):
        panels = max(1, len(batches))
        figure = Figure(figsize=(4.2 * panels + 0.6, 4.6), layout="constrained")
        for axes, batch in zip(figure.subplots(1, panels, squeeze=False)[0], batches, strict=False):
            _panel(axes, _fastest(result.rows, batch), batch, colours)
        handles = [_key(name, colours[name], result.rows) for name in names]
        if handles:
            figure.legend(handles=handles, loc="outside lower center", ncols=min(3, panels + 1), frameon=False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120, bbox_inches="tight", metadata={"Software": None})
    return buffer.getvalue()


def _fastest(rows: Sequence[Row], batch: int) -> list[Row]:
    """Return the fastest row of each file, the largest file first, so that no marker hides a smaller one."""
    found: dict[str, Row] = {}
    for row in rows:
        if row.batch != batch or row.p50 is None:
            continue
        known = found.get(row.subject.artifact)
        if known is None or known.p50 is None or row.p50.value < known.p50.value:
            found[row.subject.artifact] = row
    return sorted(found.values(), key=lambda row: -row.subject.size_bytes)


def _panel(axes: "Axes", rows: Sequence[Row], batch: int, colours: dict[str, str]) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    largest = max((row.subject.size_bytes for row in rows), default=1)
    known = all(row.subject.accuracy is not None for row in rows)
    for row in rows:
        assert row.p50 is not None
        height = 100 * (row.subject.accuracy or 0) if known else row.subject.size_bytes / 1024
        area = max(_SMALLEST_AREA, _LARGEST_AREA * row.subject.size_bytes / largest)
        ends = [[1e3 * (row.p50.value - row.p50.low)], [1e3 * (row.p50.high - row.p50.value)]]
        colour = colours[row.subject.artifact]
        axes.errorbar([1e3 * row.p50.value], [height], xerr=ends, fmt="none", color=colour, capsize=3, linewidth=1)
        axes.scatter([1e3 * row.p50.value], [height], s=area, color=colour, alpha=0.45, linewidths=1, edgecolors=colour)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(0.2)
    axes.grid(alpha=0.3)
    axes.ticklabel_format(axis="y", useOffset=False)
    if known and rows:
        accuracies = [100 * (row.subject.accuracy or 0) for row in rows]
        room = max(_LEAST_ROOM, 0.3 * (max(accuracies) - min(accuracies)))
        axes.set_ylim(min(accuracies) - room, max(accuracies) + room)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.2f}")
    axes.set_title("1 image per call" if batch == 1 else f"{batch:,} images per call")
    axes.set_xlabel("p50 of a call, ms")
    axes.set_ylabel("accuracy, %" if known else "size, KiB")


def _key(name: str, colour: str, rows: Sequence[Row]) -> "object":
    """Return the entry of a file in the legend."""
    from matplotlib.lines import Line2D

    subject = next(row.subject for row in rows if row.subject.artifact == name)
    about = "eager PyTorch" if subject.is_eager else f"{subject.size_bytes / 1024:,.0f} KiB"
    return Line2D([], [], marker="o", linestyle="", color=colour, alpha=0.6, markersize=9, label=f"{name}, {about}")
