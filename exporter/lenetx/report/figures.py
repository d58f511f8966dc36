"""Draw the figures of checks as HTML, one function per kind (docs/verification.md, "The report")."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .check import Check
from .formatting import number, share
from .markup import Markup, element, join
from .pictures import picture
from .plots import Bar, bars, histogram

__all__ = ["draw_figure", "listing", "table"]

Figures = Mapping[str, Any]


def draw_figure(check: Check, anchor: str) -> Markup:
    """Draw the figures of a check; list the values of an unknown kind.

    Args:
        check: a check with figures.
        anchor: an id that is unique in the page.
    """
    assert check.figures is not None
    draw = _KINDS.get(check.figures.get("kind", ""), _others)
    return draw(check.figures, anchor, f"{check.name}, {check.subject}")


def table(headings: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Markup:
    """Return an HTML table of strings."""
    head = element("tr", *(element("th", heading, scope="col") for heading in headings))
    body = (element("tr", *(element("td", cell) for cell in row)) for row in rows)
    return element("div", element("table", element("thead", head), element("tbody", *body)), class_="scroll")


def listing(values: Mapping[str, Any]) -> Markup:
    """Return an HTML table with keys and values as two columns."""
    rows = (
        element("tr", element("th", key.replace("_", " "), scope="row"), element("td", _value(value)))
        for key, value in values.items()
    )
    return element("table", element("tbody", *rows), class_="listing")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | tuple) else number(value)


def _errors(figures: Figures, anchor: str, title: str) -> Markup:
    counts = figures["histogram"]["counts"]
    edges = [float(edge) for edge in figures["histogram"]["edges"]]
    plot = histogram(anchor, edges, counts, f"How far from the reference: {title}")
    if not figures["worst"]:
        return plot
    heading = element("h4", "The worst images, each with its error as a share of the limit")
    return join(plot, heading, element("div", *map(_worst, figures["worst"]), class_="images"))


def _worst(one: Mapping[str, Any]) -> Markup:
    label = "" if one["label"] is None else f", label {one['label']}"
    name = f"Image {one['image']}{label}"
    shown = picture(one["picture"], name) if one["picture"] else Markup("")
    lines = (
        element("strong", name),
        f"logit {one['logit']}, error {share(one['share'])}",
        f"reference {_precise(one['reference'])}",
        f"artifact {_precise(one['artifact'])}",
    )
    return element("figure", shown, element("figcaption", *(element("span", line) for line in lines)))


def _layers(figures: Figures, anchor: str, title: str) -> Markup:
    rows = [
        Bar(layer["layer"], float(layer["share"]), layer["passed"], f" · {layer['units']:,} units")
        for layer in figures["layers"]
    ]
    return bars(anchor, rows, f"The largest share of its bound in each layer: {title}")


def _runs(figures: Figures, anchor: str, title: str) -> Markup:
    rows = [
        Bar(run["engine"], float(run["share"]), float(run["share"]) <= 1, f" · {run['comparisons']:,} comparisons")
        for run in figures["runs"]
    ]
    return bars(anchor, rows, f"The largest share of the limit in each run: {title}")


def _flips(figures: Figures, _: str, __: str) -> Markup:
    accuracies = element("p")
    if "p_value" in figures:  # missing if the true labels are unknown
        accuracies = element(
            "p",
            f"Accuracy of the artifact {figures['artifact_accuracy']:.2%}, of the reference "
            f"{figures['reference_accuracy']:.2%}, exact McNemar p = {number(figures['p_value'])}.",
        )
    if not figures["flips"]:
        return join(accuracies, element("p", "No label flips."))
    rows = [
        (
            number(flip["image"]),
            str(flip["reference"]),
            str(flip["artifact"]),
            _precise(flip["margin"]),
            "yes" if flip["explained"] else "no",
        )
        for flip in figures["flips"]
    ]
    headings = ("image", "label of the reference", "of the artifact", "margin", "rounding can explain it")
    return join(accuracies, table(headings, rows))


def _margins(figures: Figures, _: str, __: str) -> Markup:
    certified, images = figures["certified"], figures["images"]
    part = certified / images if images else 0.0
    words = (
        f"{certified:,} of {images:,} images ({part:.2%}) have a label that no rounding within the limits can change."
    )
    meter = element("div", element("div", style=f"width: {part:.2%}"), class_="meter", aria_hidden="true")
    return join(element("p", words), meter)


def _others(figures: Figures, _: str, __: str) -> Markup:
    return listing({key: value for key, value in figures.items() if key != "kind"})


def _precise(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.9g}"


_KINDS: dict[str, Callable[[Figures, str, str], Markup]] = {
    "errors": _errors,
    "layers": _layers,
    "flips": _flips,
    "margins": _margins,
    "runs": _runs,
}
