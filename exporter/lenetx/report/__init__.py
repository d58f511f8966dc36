"""Represent the outcome of a proof as values, and render it as a text table, JSON or one self-contained HTML file."""

from .check import Check, Status
from .formatting import MARKS, number, share, visible
from .groups import advice, summaries
from .outcome import plain_number
from .page import to_html
from .registry import GROUPS
from .report import Report, to_json
from .table import table_lines

__all__ = [
    "GROUPS",
    "MARKS",
    "Check",
    "Report",
    "Status",
    "advice",
    "number",
    "plain_number",
    "share",
    "summaries",
    "table_lines",
    "to_html",
    "to_json",
    "visible",
]
