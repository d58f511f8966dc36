"""Draw plots as inline SVG with the page's colours and fonts; the same numbers give the same bytes."""

import io
import itertools
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .formatting import share as share_text
from .formatting import visible
from .markup import Markup, element, join

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Bar", "bars", "histogram"]

_INK, _USED, _OVER, _FAINT = "#000001", "#000002", "#000003", "#000004"
_COLOURS = {_INK: "currentColor", _USED: "var(--used)", _OVER: "var(--over)", _FAINT: "var(--faint)"}
"""Placeholder colours for matplotlib, replaced in the SVG by the page's light or dark colours."""

_WIDTH = 7.5
_SMALLEST_SHARE = 1e-8
_LONGEST_NAME = 48


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its name, its share of the limit, whether it passed, and a note beside it."""

    name: str
    share: float
    passed: bool
    note: str


def histogram(anchor: str, edges: Sequence[float], counts: Sequence[int], title: str) -> Markup:
    """Draw a histogram of errors as shares of their limits, with logarithmic axes and a line at 1.

    Args:
        anchor: the element's id, unique in the page.
        edges: n + 1 ascending shares of the limit, including 1, at least two of them positive and finite; the first
            may be 0 and the last infinite.
        counts: the n numbers of errors.
        title: the title for screen readers.
    """
    from matplotlib.ticker import NullFormatter

    ends = _finite(edges)
    beyond = sum(count for left, count in zip(ends, counts, strict=False) if left >= 1)
    with _style(anchor):
        figure, axes = _plot(2.6)
        colours = [_OVER if left >= 1 else _USED for left in ends[:-1]]
        widths = [right - left for left, right in itertools.pairwise(ends)]
        _shares(axes, ends[0], max(ends[-1], 2))
        axes.set_yscale("log", nonpositive="clip")
        axes.set_ylim(0.5, 2 * max(1, *counts))
        axes.bar(ends[:-1], counts, widths, align="edge", color=colours, edgecolor="none")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel("logits", color=_INK)
        described = f"{sum(counts):,} logits, {beyond:,} of them beyond the limit."
        return _svg(figure, anchor, title, described)


def bars(anchor: str, rows: Sequence[Bar], title: str) -> Markup:
    """Draw one bar per row for its share of the limit, with a logarithmic axis and a line at 1.

    Args:
        anchor: the element's id, unique in the page.
        rows: at least one bar, from top to bottom.
        title: the title for screen readers.
    """
    finite = [row.share for row in rows if math.isfinite(row.share)]
    left = max(min([0.01, *(share for share in finite if share > 0)]) / 2, _SMALLEST_SHARE)
    most = max([1.0, *finite])
    right = most * (most / left) ** 0.35  # room for the notes
    with _style(anchor):
        figure, axes = _plot(0.95 + 0.24 * len(rows))
        ends = [min(max(row.share, left), most) if math.isfinite(row.share) else most for row in rows]
        places = range(len(rows))
        colours = [_USED if row.passed else _OVER for row in rows]
        axes.barh(places, [end - left for end in ends], 0.7, left, color=colours, edgecolor="none")
        for place, end, row in zip(places, ends, rows, strict=True):
            note = f"{share_text(row.share)}{row.note}"
            axes.annotate(note, (end, place), (4, 0), textcoords="offset points", va="center", color=_INK)
        axes.set_yticks(places, [_name(row.name) for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        _shares(axes, left, right)
        described = "; ".join(f"{row.name} {share_text(row.share)}{'' if row.passed else ', failed'}" for row in rows)
        return _svg(figure, anchor, title, f"{described}.")


def _finite(edges: Sequence[float]) -> list[float]:
    """Return edges for a logarithmic axis: an end at 0 or infinity is moved to one step from its neighbour."""
    inner = [edge for edge in edges if 0 < edge < math.inf]
    step = (inner[-1] / inner[0]) ** (1 / (len(inner) - 1))
    first = [inner[0] / step] if edges[0] <= 0 else []
    last = [inner[-1] * step] if edges[-1] == math.inf else []
    return first + inner + last


def _name(text: str) -> str:
    seen = visible(text)
    return seen if len(seen) <= _LONGEST_NAME else f"…{seen[1 - _LONGEST_NAME :]}"


def _plot(height: float) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.subplots()
    axes.patch.set_visible(False)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", color=_FAINT, labelcolor=_INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_edgecolor(_FAINT)
    return figure, axes


def _shares(axes: "Axes", left: float, right: float) -> None:
    """Set up x as a logarithmic axis of shares, with a line at the limit."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.set_xlim(left, right)
    axes.xaxis.set_major_locator(LogLocator(numticks=8))
    axes.xaxis.set_major_formatter(lambda value, _: share_text(value))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color=_FAINT, linewidth=0.5, alpha=0.5)
    axes.axvline(1, color=_INK, linewidth=1.2)
    axes.text(1, 1.02, "limit", transform=axes.get_xaxis_transform(), color=_INK, ha="center", va="bottom")
    axes.set_xlabel("share of the limit", color=_INK)


@contextmanager
def _style(salt: str) -> Iterator[None]:
    """Set a matplotlib style that ignores the user's matplotlibrc and makes ids unique in the page."""
    from matplotlib import style

    ours = {"svg.hashsalt": salt, "svg.fonttype": "none", "text.parse_math": False, "font.size": 9.0}
    with style.context(["default", ours]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # the browser's fonts may have it
        yield


def _svg(figure: "Figure", anchor: str, title: str, description: str) -> Markup:
    """Return the figure as an inline ``svg`` element, without what only a standalone file needs."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = buffer.getvalue()
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert size is not None
    width, height = size.groups()
    inner = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    inner = re.sub(r'<g id="[^"]*"', "<g", inner).replace("xlink:href=", "href=")
    inner = re.sub(r'style="[^"]*"', _in_our_colours, inner)
    named = join(
        element("title", title, id=f"{anchor}-title"), element("desc", description, id=f"{anchor}-desc"), Markup(inner)
    )
    return element(
        "svg",
        named,
        id=anchor,
        role="img",
        aria_labelledby=f"{anchor}-title {anchor}-desc",
        viewBox=f"0 0 {width} {height}",
    )


def _in_our_colours(found: re.Match[str]) -> str:
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", found[0])
    for ours, theirs in _COLOURS.items():
        text = text.replace(ours, theirs)
    return text
