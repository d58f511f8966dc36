"""The proof that an artifact computes what eager eval-mode PyTorch computes.

``inputs`` says on what, ``reference`` what is right and how far from it honest rounding may be (``lenetx.bounds``);
each other file asks one group of questions, ``prove`` asks them all, and ``lenetx.report`` is the answer.
"""

from .function import as_artifact
from .given import prove_logits
from .prove import prove
from .reference import Reference

__all__ = ["Reference", "as_artifact", "prove", "prove_logits"]
