"""Print the table of one report, coloured by status."""

from typing import TYPE_CHECKING

from lenetx.report import MARKS, table_lines

if TYPE_CHECKING:
    from rich.console import Console

    from lenetx import Report

__all__ = ["draw"]

_STYLES = {"passed": "green", "failed": "bold red", "not_run": "yellow", "not_applicable": "dim"}


def draw(console: "Console", content: "Report", *, verbose: bool, just_exported: bool = False) -> None:
    """Print a report as a table.

    Args:
        console: the console to print on.
        content: the report.
        verbose: show every check, not only those that failed.
        just_exported: whether the file has just been exported.
    """
    from rich.text import Text

    whole = {"heading": "bold", "conclusion": "bold green" if content.passed else "bold red"}
    for line in table_lines(content, verbose=verbose, width=console.width, just_exported=just_exported):
        text = Text(line.text, whole.get(line.kind, ""))
        if line.status is not None:
            text.stylize(_STYLES[line.status], line.mark, line.mark + len(MARKS[line.status]))
        console.print(text, highlight=False, soft_wrap=True)
