"""The proof that an artifact computes what eager eval-mode PyTorch computes.

``inputs`` says on what, ``reference`` what is right, ``limits`` how far from it honest rounding may be, ``compare``
and ``checks`` ask one question each, ``prove`` asks them all; :mod:`lenetx.report` is the answer.
"""

from .prove import prove
from .reference import Reference

__all__ = ["Reference", "prove"]
