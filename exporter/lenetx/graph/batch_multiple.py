"""Represent a size that is a multiple of the unknown number of images."""

from dataclasses import dataclass
from typing import Any

from .expression import Unsupported

__all__ = ["MOST_SIZES", "Images"]

MOST_SIZES = 4096
"""Maximum number of elements in one tensor of sizes, axes or indices."""


@dataclass(frozen=True, slots=True)
class Images:
    """A multiple of the number of images.

    Attributes:
        times: the factor.
    """

    times: int

    def __add__(self, other: "int | Images") -> "int | Images":
        if isinstance(other, Images):
            return Images(self.times + other.times)
        return self if other == 0 else _unknown()

    def __mul__(self, other: "int | Images") -> "int | Images":
        return Images(self.times * other) if isinstance(other, int) and other > 0 else _unknown()

    def __floordiv__(self, other: "int | Images") -> "int | Images":
        fits = isinstance(other, int) and other > 0 and self.times % other == 0
        return Images(self.times // int(other)) if fits else _unknown()  # type: ignore[arg-type]  # an int, as checked above

    __radd__, __rmul__ = __add__, __mul__


def _unknown() -> Any:
    raise Unsupported("it computes with the number of images")
