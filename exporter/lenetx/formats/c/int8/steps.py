"""Define the integer steps of an int8 program: each computes one int8 tensor, or the logits, from int8 tensors.

x and y are int8 numbers that stand for (x - zero) · scale. All formulas are in ``simulation``; ``code`` writes them
as C.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..pooling import Pool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Affine", "Average", "Join", "MaxPool", "Quantization", "Rescale", "Step", "Table", "Total"]


@dataclass(frozen=True, slots=True)
class Quantization:
    """How int8 numbers stand for real ones.

    Attributes:
        scale: exactly a float32.
        zero: the number that stands for 0.
    """

    scale: float
    zero: int


@dataclass(frozen=True, slots=True)
class Rescale:
    """How sums become int8 numbers: clamp(zero + round(sum · factor ÷ 2^shift)).

    Attributes:
        factors: int32[K]: of each output channel, or one.
        shifts: int8[K].
        zero: of the result.
    """

    factors: "NDArray[np.int32]"
    shifts: "NDArray[np.int8]"
    zero: int


@dataclass(slots=True, kw_only=True)
class Step:
    """One function of the program.

    Attributes:
        label: the node, in words.
        reads: the int8 tensors that it reads.
        writes: the tensor that it writes.
        shape: of that tensor, without the batch axis.
    """

    label: str
    reads: tuple[str, ...]
    writes: str
    shape: tuple[int, ...]


@dataclass(slots=True, kw_only=True)
class Affine(Step):
    """A convolution or dense layer: sum = bias + Σ (x - zero) · w in int32, then rescaled, or scaled to float logits.

    Attributes:
        weight: the tensor's name.
        order: int64[O, C/groups, rows, columns]: where each weight lies in it.
        bias: int64[O].
        folded: int32[O]: the bias of the program. Without borders it takes in what the zero point adds, since
            Σ (x - zero) · w = Σ x · w - zero · Σ w.
        zero: of the input; its borders hold it.
        given: the input as (C, H, W).
        size: rows and columns of the sums.
        strides, dilations, pads, groups: as in ONNX.
        rescale: to int8; ``None`` for the logits.
        scales: float32[O] of the logits; ``None`` for int8.
        pool: rows and columns of a maximum over the sums, which comes before the rescaling, since that is monotone.
        table: int8[1, 256] or int8[O, 256]: what each number becomes at last; ``None`` if it stays.
    """

    weight: str
    order: "NDArray[np.int64]"
    bias: "NDArray[np.int64]"
    folded: "NDArray[np.int32]"
    zero: int
    given: tuple[int, int, int]
    size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    rescale: Rescale | None = None
    scales: "NDArray[np.float32] | None" = None
    pool: tuple[int, int] = (1, 1)
    table: "NDArray[np.int8] | None" = None


@dataclass(slots=True, kw_only=True)
class Table(Step):
    """y = table[x]: any function of one number, computed in float64 when the file is written.

    Attributes:
        table: int8[1, 256] or int8[C, 256], from -128.
    """

    table: "NDArray[np.int8]"


@dataclass(slots=True, kw_only=True)
class MaxPool(Step):
    """y = table[largest x of each window]; the table never falls, so it commutes with the maximum.

    Attributes:
        pool: the windows.
        given: the input as (C, H, W).
        size: rows and columns of windows.
        table: as of ``Table``; ``None`` if numbers stay.
    """

    pool: Pool
    given: tuple[int, int, int]
    size: tuple[int, int]
    table: "NDArray[np.int8] | None" = None


@dataclass(slots=True, kw_only=True)
class Average(Step):
    """The mean of each window: sum = Σ (x - zero), or Σ entries[x] in 64 bits, then rescaled.

    Attributes:
        pool: the windows.
        given: the input as (C, H, W).
        size: rows and columns of windows.
        zero: of the input.
        rescale: one factor, which holds the division; 1 with entries.
        entries: int32[256] of a function before the mean, in steps of the result times 2^shift; else ``None``.
        scale: float32 of a mean that is the logits; ``None`` for int8.
    """

    pool: Pool
    given: tuple[int, int, int]
    size: tuple[int, int]
    zero: int
    rescale: Rescale | None = None
    entries: "NDArray[np.int32] | None" = None
    scale: float | None = None


@dataclass(slots=True, kw_only=True)
class Total(Step):
    """sum = constant + Σ (x - zero) · factor of each input in 64 bits; then clamp(zero + round(sum ÷ 2^shift)).

    Attributes:
        zeros, factors: of each input.
        constants: int64[1] or int64[C].
        shift: of all factors and constants.
        zero: of the result.
    """

    zeros: tuple[int, ...]
    factors: tuple[int, ...]
    constants: "NDArray[np.int64]"
    shift: int
    zero: int


@dataclass(slots=True, kw_only=True)
class Join(Step):
    """Tensors behind each other along the channels.

    Attributes:
        tables: int8[1, 256] of each; ``None`` if its numbers stay.
        sizes: numbers of each.
    """

    tables: "tuple[NDArray[np.int8] | None, ...]"
    sizes: tuple[int, ...] = field(default=())
