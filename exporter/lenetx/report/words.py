"""Numbers and foreign texts as people read them."""

import math
from typing import Any

from lenetx_runtime.values import visible

__all__ = ["MARKS", "number", "share", "visible"]

MARKS = {"passed": "passed", "failed": "FAILED", "not_run": "not run", "not_applicable": "n/a"}
"""What a status is called. Only what passed is called so."""

_JUST_OVER = 1.01
"""Below it three digits might show 100%, which passes."""
_FIRST_MULTIPLE = 10
_MOST_WRITTEN_OUT = 1e6


def number(value: Any) -> str:
    """Return a number with three digits, a whole one with all of them, ``None`` as nothing and a text as it is."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def share(value: float | str | None) -> str:
    """Return a share of a limit in per cent, from ten times the limit on as a multiple."""
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
