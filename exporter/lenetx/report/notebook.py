"""Render a report as a short HTML fragment for notebooks."""

from collections.abc import Iterator

from .check import Check, Status
from .figures import listing
from .formatting import MARKS, share
from .groups import GroupSummary, advice, missing, summaries
from .markup import Markup, element, join
from .outcome import Outcome

__all__ = ["to_fragment"]

_COLOURS: dict[Status, str] = {"passed": "#2e8b57", "failed": "#d9372c", "not_run": "#b07d00"}
"""Colours that are readable on light and dark pages; everything else has the page's own colours."""
_CELL = "text-align:left;vertical-align:top;padding:2px 12px 2px 0"
_INNER = f"{_CELL};padding-left:1em"


def to_fragment(report: Outcome) -> str:
    """Return the conclusion, a row per group of checks, and the rest collapsed; without scripts, styles or ids."""
    colour = _COLOURS["passed" if report.passed else "failed"]
    conclusion = element("p", element("strong", report.conclusion, style=f"color:{colour}"), " ", advice(report))
    head = element("tr", *(element("th", word, style=_CELL) for word in ("", "verdict", "checks", "error/limit", "on")))
    said: set[str] = set()
    rows = [row for group in summaries(report) for row in _group(group, said)]
    table = element("table", element("thead", head), element("tbody", *rows))
    facts = (("Artifact", report.artifact), ("Reference", report.reference), ("Environment", report.environment))
    known = [join(element("p", element("strong", words)), listing(values)) for words, values in facts if values]
    unseen = (element("p", f"Not run: {', '.join(names)}. {why}") for why, names in missing(report).items())
    folded = element("details", element("summary", "artifact, reference and environment"), *known)
    return element("div", conclusion, table, *unseen, folded)


def _group(group: GroupSummary, said: set[str]) -> Iterator[Markup]:
    """Yield the row of a group, and one for each check of it that failed."""
    ran = f"{group.ran} of {group.applicable}" if group.applicable else ""
    yield _row(group.group, group.verdict, ran, share(group.share), group.subject)
    for check in group.checks:
        if check.status == "failed":
            yield _row(check.name, check.status, "", share(check.share), _found(check, said), style=_INNER)


def _row(name: str, status: Status, ran: str, used: str, on: str, style: str = _CELL) -> Markup:
    colour = f"{_CELL};color:{_COLOURS[status]}" if status in _COLOURS else _CELL
    texts = (element("td", word, style=_CELL) for word in (ran, used, on))
    return element("tr", element("td", name, style=style), element("td", MARKS[status], style=colour), *texts)


def _found(check: Check, said: set[str]) -> str:
    """Return what failed and how; one fault may fail many checks, and is described once."""
    detail = "as above" if check.detail in said else check.detail
    said.add(check.detail)
    return ": ".join(filter(None, (check.subject, detail)))
