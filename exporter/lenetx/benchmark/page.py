"""Render a result as one self-contained HTML file."""

import base64
from collections.abc import Sequence

from ..report.markup import Markup, element, join
from ..report.style import CSS
from .result import BenchResult
from .statistics import SOURCES
from .words import BEST, Table, failures, legend, tables

__all__ = ["to_html"]

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_CSS = """
.bench { min-width: 44rem; }
.bench td, .bench th { white-space: nowrap; }
.bench .number { text-align: right; font-variant-numeric: tabular-nums; }
.bench .best > * { background: var(--band); font-weight: 600; }
img { width: 100%; background: #fff; }
"""
_TEXT_COLUMNS = 2


def to_html(result: BenchResult, picture: bytes, date: str | None = None) -> str:
    """Return one document without scripts, external links or paths.

    Args:
        result: the outcome.
        picture: its PNG.
        date: of the measurement, shown under the title; without it the same result gives the same bytes.
    """
    title = "What to ship: speed, size and accuracy"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(CSS + _CSS)),
    )
    machine = ", ".join(f"{name} {words}" for name, words in result.environment.items())
    drawn = "data:image/png;base64," + base64.b64encode(picture).decode()
    body = element(
        "main",
        element("h1", title),
        element("p", join(f"Measured on {date}: " if date else "", machine, "."), class_="soft"),
        _listed("Recommended", list(result.recommended.values())),
        _listed("Notes", result.notes),
        _listed("What did not run", failures(result)),
        element("h2", "Accuracy against latency"),
        element("p", "Areas are file sizes; each file is shown with its fastest engine.", class_="soft"),
        element("img", src=drawn, alt="Accuracy of each file against the median time of a call, for each batch size."),
        *(_table(each) for each in tables(result)),
        *(element("p", sentence, class_="soft") for sentence in (*legend(result), SOURCES)),
    )
    return f"<!DOCTYPE html>\n{element('html', head, element('body', body), lang='en')}\n"


def _listed(title: str, sentences: Sequence[str]) -> Markup:
    if not sentences:
        return Markup("")
    return join(element("h2", title), element("ul", *(element("li", sentence) for sentence in sentences)))


def _table(content: Table) -> Markup:
    head = element("tr", *(_cell("th", text, place) for place, text in enumerate(content.heading)))
    rows = (
        element(
            "tr",
            *(_cell("td", text, place) for place, text in enumerate(cells)),
            class_="best" if cells[-1] == BEST else None,
        )
        for cells in content.rows
    )
    made = element("table", element("thead", head), element("tbody", *rows), class_="bench")
    return join(element("h2", content.title), element("div", made, class_="scroll"))


def _cell(kind: str, text: str, place: int) -> Markup:
    return element(kind, text, class_=None if place < _TEXT_COLUMNS else "number")
