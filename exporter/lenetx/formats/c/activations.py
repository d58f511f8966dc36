"""Functions of one number: ReLU and its kin on vectors, tanh and its kin through the C library."""

from collections.abc import Sequence
from dataclasses import dataclass

from .text import number

__all__ = ["LIBRARY", "Activation", "applied"]


@dataclass(frozen=True, slots=True)
class Activation:
    """A function of one number.

    Attributes:
        kind: ``relu``, ``leaky``, ``clip``, ``tanh`` or ``sigmoid``.
        first, second: the slope; the lower and upper limit of clip, ``None`` for none.
    """

    kind: str
    first: float | None = None
    second: float | None = None

    @property
    def on_vectors(self) -> bool:
        """Whether it can be applied to a register of numbers."""
        return self.kind not in LIBRARY

    def describe(self) -> str:
        """Return it in words."""
        if self.kind == "leaky":
            return f"leaky relu {self.first:.9g}"
        if self.kind != "clip":
            return self.kind
        limits = (("at least", self.first), ("at most", self.second))
        return " and ".join(f"{words} {limit:.9g}" for words, limit in limits if limit is not None) or "no limit"

    def of(self, value: str, prefix: str, width: int) -> str:
        """Return the C expression of it for a vector of a type, or a plain float (width 1)."""
        if self.kind == "relu":
            return f"{prefix}_relu{width}({value})"
        if self.kind == "leaky":
            return f"{prefix}_leaky{width}({value}, {number(self.first or 0.0)})"
        if self.kind == "clip":
            for name, limit in (("max", self.first), ("min", self.second)):
                if limit is not None:
                    every = number(limit) if width == 1 else f"{prefix}_all{width}({number(limit)})"
                    value = f"{prefix}_{name}{width}({value}, {every})"
            return value
        return LIBRARY[self.kind].replace("@", value)


LIBRARY = {"tanh": "tanhf(@)", "sigmoid": "1.0f / (1.0f + expf(-(@)))"}
"""Those that need <math.h>."""


def applied(activations: Sequence[Activation], value: str, prefix: str, width: int) -> str:
    """Return the C expression of several, the first one innermost."""
    for each in activations:
        value = each.of(value, prefix, width)
    return value
