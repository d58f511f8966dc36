"""Prove that an artifact computes what eager eval-mode PyTorch computes.

``inputs`` generates the inputs, ``reference`` the correct logits and the allowed error per logit (``lenetx.bounds``).
Each group of checks has its own module, ``prove`` runs them all, and ``lenetx.report`` holds the results.
"""

from .callables import program_of
from .function import as_artifact
from .given_logits import prove_logits
from .prove import about_artifact, environment, prove
from .reference import Reference

__all__ = ["Reference", "about_artifact", "as_artifact", "environment", "program_of", "prove", "prove_logits"]
