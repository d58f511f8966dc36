"""Reports for people: the checks by group as a table of lines, and one self-contained HTML file."""

from .groups import GroupSummary, advice, summaries
from .page import to_html
from .table import Line, table_lines
from .words import MARKS, number, share, visible

__all__ = [
    "MARKS",
    "GroupSummary",
    "Line",
    "advice",
    "number",
    "share",
    "summaries",
    "table_lines",
    "to_html",
    "visible",
]
