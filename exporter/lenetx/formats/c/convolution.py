"""Write a 2-D convolution with the activations and the pooling after it as one C function.

Two forms. *By channel*: a register holds neighbouring output channels of one pixel, and each weight that was loaded
serves a block of pixels of a row. *By pixel*: a register holds neighbouring pixels of one channel, and each run of
pixels that was loaded serves a block of channels; it suits the first layer, which has few channels and wide rows. Both
sum over input channel, row and column of the kernel, in this order.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .activations import Activation
from .convolution_loops import by_channel, by_pixel, in_one_block
from .layout import Layout, dense
from .pooling import Pool
from .steps import Context, Step, counted
from .text import Code, offset, plus
from .vectors import lanes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Convolution"]

_LARGEST_POOL = 3


@dataclass(slots=True, kw_only=True)
class Convolution(Step):
    """A convolution of [N, C, H, W], padding excluded: its input has a border of zeros.

    Attributes:
        weight, bias: names of float32[K, C / groups, kh, kw] and float32[K]; ``None`` for no bias.
        kernel, strides, dilations: along height and width.
        pads: zeros above, left, below and right.
        groups: of channels.
        before, after: activations before and after the pooling.
        pool: windows that do not overlap and need no padding; ``None`` for none.
    """

    weight: str
    bias: str | None
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]
    groups: int
    before: tuple[Activation, ...] = ()
    after: tuple[Activation, ...] = ()
    pool: Pool | None = None
    size: tuple[int, int] = (0, 0)
    """Height and width before the pooling."""

    def may_fuse(self, pool: Pool, shape: tuple[int, ...]) -> bool:
        """Return whether a pooling with a result of this shape can become part of it."""
        ends = [
            (size - 1) * step + each for size, step, each in zip(shape[2:], pool.strides, pool.window, strict=False)
        ]
        if any(end > size for end, size in zip(ends, self.size, strict=False)):
            return False  # the last window hangs over the end
        apart = all(step >= window for step, window in zip(pool.strides, pool.window, strict=True))
        return (
            self.pool is None and apart and not any(pool.pads) and max(pool.window) <= _LARGEST_POOL and pool.is_plain
        )

    def is_by_pixel(self, context: Context) -> bool:
        """Return whether registers hold pixels: where fewer of them are needed, and rows can be read in one piece."""
        given, each, width = context.layouts[self.reads[0]], self.shape[1] // self.groups, self.size[1]
        possible = given.strides[3] == 1 and self.strides[1] == 1 and width >= 4
        if self.pool is not None and self.pool.window[0] > 2:
            return False
        by_channel = math.ceil(each / lanes(each)) * width
        by_pixel = each * math.ceil(width / lanes(width))
        return possible and by_pixel < by_channel

    def place(self, context: Context) -> Layout:
        """Return the layout: rows, then channels, then pixels if by pixel, else rows, then pixels, then channels."""
        axes = (0, 2, 1, 3) if self.is_by_pixel(context) else (0, 2, 3, 1)
        return dense(self.shape, axes, context.borders.get(self.writes, (0, 0, 0, 0)))

    def lag(self, context: Context) -> int:
        """Return how far behind its result the input may start, in floats, if both share memory.

        Where rows of the result follow each other and one is written after the rows that it needs were read, the result
        may overwrite rows that are no longer needed.
        """
        given, made = context.layouts[self.reads[0]], context.layouts[self.writes]
        by_row = self.is_by_pixel(context) and self.pool is not None and not any(self.pads) and self.shape[0] == 1
        in_order = given.shape[1] == 1 and made.strides[2] == max(made.strides[1:]) and made.start == 0
        if not (by_row and in_order and in_one_block(self)):
            return made.size
        assert self.pool is not None
        apart = self.pool.strides[0] * self.strides[0]
        return max(
            made.strides[2] * (row + 1) - min(given.shape[2], (row + 1) * apart) * given.strides[2]
            for row in range(self.shape[2])
        )

    def describe(self) -> str:
        """Return it in words."""
        kernel = f"{self.kernel[0]}x{self.kernel[1]} convolution to {self.shape[1]} channels"
        words = [kernel + f" in {self.groups} groups" * (self.groups > 1), *(each.describe() for each in self.before)]
        if self.pool is not None:
            words.append(self.pool.describe())
        return ", ".join([*words, *(each.describe() for each in self.after)])

    def code(self, context: Context, code: Code) -> None:
        """Write its loops."""
        given, made = context.layouts[self.reads[0]], context.layouts[self.writes]
        each, taps = self.shape[1] // self.groups, given.shape[1] // self.groups * math.prod(self.kernel)
        weight = context.packed(self.weight, self._order(each, taps))
        bias = None if self.bias is None else context.packed(self.bias, counted(self.shape[1]))
        n, g = "n" * (self.shape[0] > 1), "g" * (self.groups > 1)
        shift = self.pads[0] * given.strides[2] + self.pads[1] * given.strides[3]
        with code.loops(("n", self.shape[0]), ("g", self.groups)):
            image = offset((n, given.strides[0]), (g, given.shape[1] // self.groups * given.strides[1]))
            code(f"const float *image = in{f' - {shift}' * (shift > 0)}{plus(image)};")
            code(f"float *result = out{plus(offset((n, made.strides[0]), (g, each * made.strides[1])))};")
            first = f"{weight}{plus(offset((g, each * taps)))}"
            start = None if bias is None else f"{bias}{plus(offset((g, each)))}"
            (by_pixel if self.is_by_pixel(context) else by_channel)(self, context, code, first, start)

    def _order(self, each: int, taps: int) -> "NDArray[np.int64]":
        """Return the order of the weights: group, tap, channel."""
        return counted(self.groups, each, taps).transpose(0, 2, 1).copy()
