"""How far honest float32 arithmetic may be from float64, by the network's own operators.

``tape`` records what a network does, ``operators`` and the files that it names say what rounding does in each step,
``adjoint`` follows it to the logits.
"""

from ..graph.tape import Step, Tape, record
from .adjoint import CHANCE, LAMBDA, limits, unknown

__all__ = ["CHANCE", "LAMBDA", "Step", "Tape", "limits", "record", "unknown"]
