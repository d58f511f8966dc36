"""Reports for people: the checks by group, and one self-contained HTML file."""

from .groups import GroupSummary, advice, summaries
from .page import to_html
from .words import MARKS, number, share, visible

__all__ = ["MARKS", "GroupSummary", "advice", "number", "share", "summaries", "to_html", "visible"]
