"""Format numbers and statuses for people."""

import math
from typing import Any

from lenetx_runtime.values import visible

__all__ = ["MARKS", "number", "share", "visible"]

MARKS = {"passed": "passed", "failed": "FAILED", "not_run": "not run", "not_applicable": "n/a"}
"""The displayed words, by status."""

_JUST_OVER = 1.01
"""Shares between 1 and this would be rounded to 100%, which passes, so they get words instead."""
_FIRST_MULTIPLE = 10
_MOST_WRITTEN_OUT = 1e6


def number(value: Any) -> str:
    """Return a float with three digits, an int with all digits, ``None`` as an empty string, anything else as text."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def share(value: float | str | None) -> str:
    """Return a share of a limit as a percentage, or as a multiple from 10 times the limit on."""
    if value is None:
        return ""
    value = float(value)
    if not math.isfinite(value):
        return "not finite"
    if 1 < value < _JUST_OVER:
        return "over 100%"
    if round(value, 2) < _FIRST_MULTIPLE:
        return f"{100 * value:.3g}%"
    return f"{value:,.0f} times" if value < _MOST_WRITTEN_OUT else f"{value:.1e} times"
