"""Render any number of reports as one self-contained HTML file."""

from collections.abc import Iterator, Sequence

from .check import Check
from .figures import draw_figure, listing
from .formatting import MARKS, number, share
from .groups import GroupSummary, advice, summaries
from .markup import Markup, element, join
from .outcome import Outcome
from .style import CSS

__all__ = ["to_html"]

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Content security policy: no scripts and no requests, in case an artifact's text is ever left unescaped."""


def to_html(reports: Sequence[Outcome], date: str | None = None) -> str:
    """Return one document for one or more reports, without scripts, external links or paths.

    Args:
        reports: at least one.
        date: of the proof, shown under the title; without it the same reports give the same bytes.
    """
    title = _title(reports)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(CSS)),
    )
    passed = all(report.passed for report in reports)
    heading = element("h1", title, class_="passed" if passed else "failed")
    several = len(reports) > 1
    contents = _contents(reports) if several else ""
    sections = (_section(report, f"artifact-{index}", named=several) for index, report in enumerate(reports, 1))
    made = element("p", f"Proven on {date}.", class_="soft") if date is not None else ""
    body = element("body", element("main", heading, made, contents, *sections))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _title(reports: Sequence[Outcome]) -> str:
    if len(reports) == 1:
        return reports[0].conclusion
    failed = sum(not report.passed for report in reports)
    if failed:
        return f"{failed} of {len(reports)} artifacts {'is' if failed == 1 else 'are'} NOT proven."
    return f"All {len(reports)} artifacts compute what eager PyTorch computes."


def _contents(reports: Sequence[Outcome]) -> Markup:
    links = (
        element("li", element("a", report.conclusion, href=f"#artifact-{index}"))
        for index, report in enumerate(reports, 1)
    )
    return element("ul", *links)


def _section(report: Outcome, anchor: str, *, named: bool) -> Markup:
    """Return a report's section; it repeats the conclusion if ``named``, i.e. if that is not the page's title."""
    groups = summaries(report)
    verdict = element("strong", f"{report.conclusion} ", class_="passed" if report.passed else "failed")
    facts = (("Artifact", report.artifact), ("Reference", report.reference), ("Environment", report.environment))
    return element(
        "section",
        element("h2", str(report.artifact["name"])),
        element("p", verdict if named else "", advice(report)),
        _checks(groups, anchor),
        *_figures(groups, anchor),
        *(join(element("h3", heading), listing(values)) for heading, values in facts if values),
        id=anchor,
    )


def _place(anchor: str, group: GroupSummary, index: int) -> str:
    """Return a unique id for a check; names of checks may repeat within a section."""
    return f"{anchor}-{group.group.replace(' ', '-')}-{index}"


def _checks(groups: Sequence[GroupSummary], anchor: str) -> Markup:
    head = element(
        "tr",
        element("th", "check", scope="col"),
        element("th", "verdict", scope="col"),
        element("th", "largest error (logits)", scope="col", class_="number logits"),
        element("th", "its limit", scope="col", class_="number logits"),
        element("th", "error/limit", scope="col", class_="number"),
        element("th", "inputs", scope="col"),
    )
    bodies = (_group(group, anchor) for group in groups)
    return element("div", element("table", element("thead", head), *bodies, class_="checks"), class_="scroll")


def _group(group: GroupSummary, anchor: str) -> Markup:
    ran = f"{group.ran} of {group.applicable} ran" if group.applicable else ""
    heading = element(
        "tr",
        element("th", group.group, scope="rowgroup"),
        element("td", MARKS[group.verdict], class_=f"status {group.verdict}"),
        element("td", class_="logits"),
        element("td", class_="logits"),
        element("td", share(group.share), class_="number"),
        element("td", ran, class_="soft"),
        class_="group",
    )
    rows = (_check(check, _place(anchor, group, index)) for index, check in enumerate(group.checks))
    return element("tbody", heading, *rows)


def _check(check: Check, place: str) -> Markup:
    name = element("a", check.name, href=f"#{place}") if check.figures else check.name
    subject: str = check.subject
    if check.detail:
        is_open = None if check.status in ("passed", "not_applicable") else ""
        subject = element("details", element("summary", check.subject), element("p", check.detail), open=is_open)
    in_logits = check.limit not in (None, 0, 1)  # else it is a share or a count, which other columns show
    return element(
        "tr",
        element("th", name, scope="row"),
        element("td", MARKS[check.status], class_=f"status {check.status}"),
        element("td", number(check.measured) if in_logits else "", class_="number logits"),
        element("td", number(check.limit) if in_logits else "", class_="number logits"),
        element("td", share(check.share), class_="number"),
        element("td", subject),
    )


def _figures(groups: Sequence[GroupSummary], anchor: str) -> Iterator[Markup]:
    """Yield the figures of all checks, in the order of the table."""
    for group in groups:
        for index, check in enumerate(group.checks):
            if check.figures:
                place = _place(anchor, group, index)
                name = (
                    group.group if check.figures.get("kind") == "runs" else check.name
                )  # of all runs, not of this one
                heading = element("h3", name, " ", element("span", MARKS[check.status], class_=check.status))
                about = element("p", check.subject, class_="soft")
                yield element("section", heading, about, draw_figure(check, f"{place}-plot"), id=place)
