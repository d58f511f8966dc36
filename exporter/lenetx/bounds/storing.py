"""Bound the rounding of numbers that are stored in float16 between operators that compute in float32.

Each is rounded once, to nearest: by at most 2⁻¹¹ of its size, or by 2⁻²⁵ where float16 is denormal. An engine may also
keep a number in float32 until the next operator reads it; so in float64 the operator changes nothing.
"""

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .units import UNIT_ROUNDOFF

if TYPE_CHECKING:
    from torch import Tensor

    from ..graph.tape import Step

__all__ = ["OPERATORS", "store_float16"]

_NAME = "lenetx::store_float16"
_UNIT, _SMALLEST = 2.0**-11, 2.0**-25


@functools.cache
def store_float16() -> "Callable[[Tensor], Tensor]":
    """Return the operator that marks on a tape where float64[…] numbers are stored in float16."""
    import torch
    from torch import library

    @library.custom_op(_NAME, mutates_args=())
    def store(inputs: torch.Tensor) -> torch.Tensor:
        return inputs.clone()

    found: Any = store
    return found  # type: ignore[no-any-return]


class _Store:
    def worst(self, step: "Step", errors: "Mapping[int, Tensor]", /) -> "Tensor":
        own: Tensor = _UNIT * step.results[0].abs() + _SMALLEST
        return own + errors[0] if 0 in errors else own

    def noise(self, step: "Step", /) -> "Tensor":
        return self.worst(step, {}) / UNIT_ROUNDOFF

    def pull_back(self, _: "Step", gradient: "Tensor", __: "Mapping[int, Tensor]", /) -> "Mapping[int, Tensor]":
        return {0: gradient}


OPERATORS = {_NAME: _Store()}
