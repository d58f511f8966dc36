"""How far honest float32 arithmetic may be from float64, by the network's own operators.

``operators`` and the files that it names say what rounding does in each step of a recorded forward pass, ``adjoint``
follows it to the logits.
"""

from .adjoint import CHANCE, LAMBDA, limits, unknown

__all__ = ["CHANCE", "LAMBDA", "limits", "unknown"]
