"""Bound how far honest float32 arithmetic may be from float64, operator by operator.

``operators`` and the files that it names bound the rounding in each step of a recorded forward pass; ``adjoint``
propagates it to the logits.
"""

from .adjoint import CHANCE, LAMBDA, inapplicable_reason, limits

__all__ = ["CHANCE", "LAMBDA", "inapplicable_reason", "limits"]
