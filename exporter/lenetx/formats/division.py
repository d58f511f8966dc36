"""Reject divisions on which torch may end the process."""

from collections.abc import Mapping
from typing import Any

__all__ = ["require_safe"]


def require_safe(operator: str, arguments: Mapping[str, Any]) -> None:
    """Check an operator of torch: quotients of integers are rounded towards zero only for a number above 0.

    The lowest int32 or int64, divided by -1 in this way, ends the process.

    Args:
        operator: its name.
        arguments: by name.

    Raises:
        ValueError: the divisor is another number, or a tensor.
    """
    divisor = arguments.get("other")
    is_safe = isinstance(divisor, float) or (isinstance(divisor, int) and divisor > 0)
    if arguments.get("rounding_mode") == "trunc" and not is_safe:
        raise ValueError(
            f"{operator} rounds towards zero, where the lowest integer ÷ -1 would end the process: divide by a number "
            "above 0, or write torch.trunc(x / y)"
        )
