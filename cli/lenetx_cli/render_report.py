"""The table of one report: a line per group, details under what failed or was not run, the conclusion last."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lenetx.reporting import MARKS, advice, number, share, summaries, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from lenetx import Check, Report
    from lenetx.report import Status
    from lenetx.reporting import GroupSummary

__all__ = ["draw"]

_STYLES = {"passed": "green", "failed": "bold red", "not_run": "yellow", "not_applicable": "dim"}
_LEAST_ROOM = 20
_LONGEST_NAME = 30


def draw(console: "Console", content: "Report", *, verbose: bool) -> None:
    """Draw a report.

    Args:
        console: to draw on.
        content: what to draw.
        verbose: show every check, not only those that failed or were not run.
    """
    from rich.text import Text

    groups = [(group, _shown(group, verbose=verbose)) for group in summaries(content)]
    names = [group.group for group, _ in groups] + [f"  {check.name}" for _, checks in groups for check in checks]
    width = min(max(map(len, names), default=0), _LONGEST_NAME)
    room = max(console.width - width - len(_columns("passed", "", "")), _LEAST_ROOM)
    heading = f"{visible(str(content.artifact['name'])):<{width}}{_columns('', 'ran', 'of limit')}on"
    lines = [Text(heading, "bold")]
    for group, checks in groups:
        lines.append(_line(group.group, width, group.verdict, _ran(group), group.share, _cut(group.subject, room)))
        for check in checks:
            lines.append(_line(f"  {check.name}", width, check.status, "", check.share, check.subject))
            lines += [Text(f"    {sentence}") for sentence in _found(check)]
    last = " ".join(filter(None, (content.conclusion, advice(content))))
    lines.append(Text(visible(last), "bold green" if content.passed else "bold red"))
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _shown(group: "GroupSummary", *, verbose: bool) -> "list[Check]":
    return [check for check in group.checks if verbose or check.status in ("failed", "not_run")]


def _found(check: "Check") -> Iterator[str]:
    """Say what was measured and found."""
    if check.measured is not None:
        limit = "" if check.limit is None else f", limit {number(check.limit)}"
        yield f"measured {number(check.measured)}{limit}"
    if check.detail:
        yield visible(check.detail)


def _line(name: str, width: int, status: "Status", ran: str, used: float | None, on: str) -> "Text":
    from rich.text import Text

    line = Text(f"{visible(name):<{width}}")
    columns = _columns(MARKS[status], ran, share(used))
    mark = len(line) + columns.index(MARKS[status])
    line.append(f"{columns}{visible(on)}")
    line.stylize(_STYLES[status], mark, mark + len(MARKS[status]))
    return line


def _columns(verdict: str, ran: str, used: str) -> str:
    return f"  {verdict:<7}  {ran:>8}  {used:>10}  "


def _ran(group: "GroupSummary") -> str:
    return f"{group.ran} of {group.asked}" if group.asked else ""


def _cut(text: str, room: int) -> str:
    seen = visible(text)
    return seen if len(seen) <= room else f"{seen[: room - 1]}…"
