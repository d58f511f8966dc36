"""Define a step of the generated program: one C function that reads tensors and writes one."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .layout import Layout, moved
from .text import Code, Names

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Border", "Context", "Packing", "Step", "counted"]

Border = tuple[int, int, int, int]
"""Zeros above, left of, below and right of an image."""


def counted(*shape: int) -> "NDArray[np.int64]":
    """Return the row-major index of each element of a shape."""
    import numpy as np

    return np.arange(math.prod(shape), dtype=np.int64).reshape(shape)


@dataclass(frozen=True, slots=True)
class Packing:
    """How a weight lies in the C file.

    Attributes:
        weight: its name in the graph.
        order: int64[…]: the row-major index in the weight of each number of the array.
    """

    weight: str
    order: "NDArray[np.int64]"


@dataclass(slots=True)
class Context:
    """What the steps of one program know of each other.

    Attributes:
        names: C identifiers.
        prefix: of all of them.
        layouts: of each tensor that was placed.
        borders: zeros that the readers of a tensor want around it.
        only_flat: tensors that only dense layers read, which may be in any order.
        arrays: constant arrays, by identifier: a packed weight, or numbers that were computed from several.
        constants: the tensors of the graph that are not computed.
    """

    prefix: str
    names: Names
    constants: "Mapping[str, NDArray[Any]]"
    layouts: dict[str, Layout] = field(default_factory=dict)
    borders: dict[str, Border] = field(default_factory=dict)
    only_flat: set[str] = field(default_factory=set)
    arrays: "dict[str, Packing | NDArray[np.float32]]" = field(default_factory=dict)

    def packed(self, weight: str, order: "NDArray[np.int64]") -> str:
        """Return the identifier of the array of a weight in this order."""
        base = self.names.of(f"{weight}")
        name, count = base, 1
        while name in self.arrays:
            held = self.arrays[name]
            if isinstance(held, Packing) and held.order.shape == order.shape and (held.order == order).all():
                return name
            count += 1
            name = self.names.of(f"{weight} order {count}")
        self.arrays[name] = Packing(weight, order)
        return name


@dataclass(slots=True, kw_only=True)
class Step(ABC):
    """One function of the program.

    Attributes:
        label: the node, in words, such as ``Conv conv2d``.
        reads: the tensors that it reads, all computed.
        writes: the tensor that it writes.
        shape: of that tensor.
    """

    label: str
    reads: tuple[str, ...]
    writes: str
    shape: tuple[int, ...]

    def place(self, context: Context) -> Layout:
        """Return the layout of what it writes; by default in the order of the first tensor that it reads."""
        first = context.layouts[self.reads[0]]
        if len(first.shape) != len(self.shape):
            from .layout import dense

            return dense(self.shape, None, context.borders.get(self.writes, (0, 0, 0, 0)))
        return moved(first, self.shape, context.borders.get(self.writes, (0, 0, 0, 0)))

    @property
    def aliases(self) -> str | None:
        """The tensor in whose memory it may write, element by element, if nothing else reads that."""
        return None

    @property
    def called(self) -> str:
        """The name of its function: that of its weights, if it has some, else of its result."""
        weight = getattr(self, "weight", None)
        return weight.rpartition(".")[0] or weight if weight else f"get {self.writes}"

    @abstractmethod
    def describe(self) -> str:
        """Return what it computes, in words, for a comment."""

    @abstractmethod
    def code(self, context: Context, code: Code) -> None:
        """Write the body of a function with the parameters ``in`` (``in0``, ``in1`` of several) and ``out``."""
