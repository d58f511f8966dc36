"""Compute variances and standard deviations in elementary float32 operators, as an artifact may.

torch computes the variance of float32 numbers in float64, so that squares of 1e30 do not overflow. An artifact that
squares in float32 is honest too, and so is its infinite result.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["call_with_float32_variance"]

_SPREADS = ("aten::std", "aten::std_mean", "aten::var", "aten::var_mean")


def call_with_float32_variance(func: Any, args: Any, kwargs: Any) -> Any:
    """Call an operator; a variance or standard deviation in elementary float32 steps.

    For use with ``lenetx.execution.carrier.Watch``.
    """
    name = func._schema.name
    if name not in _SPREADS or func._overloadname != "correction":
        return func(*args, **kwargs)
    return _spread(name, *args, **kwargs)


def _spread(
    name: str, values: "Tensor", dim: Any = None, *, correction: float | None = None, keepdim: bool = False
) -> Any:
    axes = list(dim or range(values.ndim))
    mean = values.mean(axes, keepdim=True)
    squares = ((values - mean) ** 2).sum(axes, keepdim=keepdim)
    count = values.numel() // max(1, mean.numel())
    found = squares / max(0, count - (1 if correction is None else correction))
    if "std" in name:
        found = found.sqrt()
    return (found, mean.reshape(found.shape)) if name.endswith("_mean") else found
