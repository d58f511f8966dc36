"""Prove that an artifact computes what eager eval-mode PyTorch computes.

``inputs`` makes the inputs, ``reference`` the right logits and the allowed error per logit (from ``lenetx.bounds``).
Each group of checks has its own module, ``prove`` runs them all, and ``lenetx.report`` holds the results.
"""

from .callables import program_of
from .function import as_artifact
from .given_logits import prove_logits
from .prove import prove
from .reference import Reference

__all__ = ["Reference", "as_artifact", "program_of", "prove", "prove_logits"]
