"""Render a report as table lines: one per group, details of failed checks, checks not run, and the conclusion."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .check import Check, Status
from .formatting import MARKS, number, share, visible
from .groups import GroupSummary, advice, missing, summaries
from .outcome import Outcome

__all__ = ["WIDTH", "Line", "table_lines"]

WIDTH = 110
"""Default width of the table in characters, if the terminal's is unknown."""
_LEAST_ROOM = 20
_LONGEST_NAME = 30
_ABOVE = "as above"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table.

    Attributes:
        text: the line, without control characters.
        kind: ``heading``, ``row`` of a group or a check, ``detail`` below a row, or ``conclusion``.
        status: a row's status; ``None`` for other lines.
        mark: the position in ``text`` where a row's status begins.
    """

    text: str
    kind: Literal["heading", "row", "detail", "conclusion"]
    status: Status | None = None
    mark: int = 0


def table_lines(
    report: Outcome, *, verbose: bool = False, width: int = WIDTH, just_exported: bool = False
) -> tuple[Line, ...]:
    """Return the table of a report.

    Args:
        report: the report to show.
        verbose: whether to show every check, not only failed ones.
        width: the width in characters to which the rows of groups are cut.
        just_exported: whether the file has just been exported, see ``advice``.
    """
    groups = [(group, _shown(group, verbose=verbose)) for group in summaries(report)]
    names = [group.group for group, _ in groups] + [f"  {check.name}" for _, checks in groups for check in checks]
    first = min(max(map(len, names), default=0), _LONGEST_NAME)
    room = max(width - first - len(_columns("passed", "", "")), _LEAST_ROOM)
    heading = f"{visible(str(report.artifact['name'])):<{first}}{_columns('', 'checks', 'error/limit')}on"
    lines, said = [Line(heading, "heading")], set[str]()
    for group, checks in groups:
        lines.append(_row(group.group, first, group.verdict, _ran(group), group.share, _cut(group.subject, room)))
        for check in checks:
            lines.append(_row(f"  {check.name}", first, check.status, "", check.share, check.subject))
            lines += [Line(f"    {sentence}", "detail") for sentence in _found(check, said)]
    if not verbose:
        lines += _not_run(report, first)
    last = " ".join(filter(None, (report.conclusion, advice(report, just_exported=just_exported))))
    return (*lines, Line(visible(last), "conclusion"))


def _shown(group: GroupSummary, *, verbose: bool) -> list[Check]:
    return [check for check in group.checks if verbose or check.status == "failed"]


def _not_run(report: Outcome, width: int) -> Iterator[Line]:
    """Yield one line per reason why checks did not run, with the names of these checks."""
    for reason, kept in missing(report).items():
        words = visible(f"{', '.join(kept)}. {reason}".strip())
        yield Line(f"{'':<{width}}  {MARKS['not_run']}  {words}", "row", "not_run", width + 2)


def _found(check: Check, said: set[str]) -> Iterator[str]:
    """Yield a check's measurement and detail; shorten a repeated detail, since one fault may fail many checks."""
    if check.measured is not None:
        limit = "" if check.limit is None else f", limit {number(check.limit)}"
        yield f"measured {number(check.measured)}{limit}"
    if check.detail:
        yield _ABOVE if check.detail in said else visible(check.detail)
        said.add(check.detail)


def _row(name: str, width: int, status: Status, ran: str, used: float | None, on: str) -> Line:
    start, columns = f"{visible(name):<{width}}", _columns(MARKS[status], ran, share(used))
    mark = len(start) + columns.index(MARKS[status])
    return Line(f"{start}{columns}{visible(on)}", "row", status, mark)


def _columns(verdict: str, ran: str, used: str) -> str:
    return f"  {verdict:<7}  {ran:>8}  {used:>10}  "


def _ran(group: GroupSummary) -> str:
    return f"{group.ran} of {group.applicable}" if group.applicable else ""


def _cut(text: str, room: int) -> str:
    seen = visible(text)
    return seen if len(seen) <= room else f"{seen[: room - 1]}…"
