"""Write dense layers: a register holds neighbouring outputs, and each input that was loaded serves a block of them."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .activations import Activation, applied
from .convolution_loops import blocks
from .layout import Layout, dense
from .steps import Context, Step, counted
from .text import Code, offset, plus
from .vectors import lanes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Dense"]

_STREAMS = 8
"""Registers of outputs at once, each a stream of weights."""


@dataclass(slots=True, kw_only=True)
class Dense(Step):
    """A product of rows with a constant matrix: out[m, :] = bias + in[m, :] · matrix, for each of several matrices.

    Attributes:
        weight, bias: their names; ``None`` for no bias.
        indices: int64[…, K, N]: the row-major index in the weight of each element of each matrix.
        rows: M, the rows that each matrix is applied to.
        strides: of the input, in floats along the axes before K and N, M and K.
        after: activations.
    """

    weight: str
    bias: str | None
    indices: "NDArray[np.int64]"
    rows: int
    strides: tuple[int, ...]
    after: tuple[Activation, ...] = ()

    def place(self, _: Context) -> Layout:
        """Return the layout of its result."""
        return dense(self.shape)

    def describe(self) -> str:
        """Return it in words."""
        inputs, outputs = self.indices.shape[-2:]
        return ", ".join([f"dense layer {inputs} to {outputs}", *(each.describe() for each in self.after)])

    def code(self, context: Context, code: Code) -> None:
        """Write its loops."""
        given, p = context.layouts[self.reads[0]], context.prefix
        *lead, inputs, outputs = self.indices.shape
        order = self.indices
        if given.order is not None:  # the input lies in another order than the weights expect
            order = order[list(given.order)]
        weight = context.packed(self.weight, order)
        bias = None if self.bias is None else context.packed(self.bias, counted(outputs))
        *by_matrix, by_row, by_input = self.strides
        width = lanes(outputs)
        vector, lane = ("float", "1") if width == 1 else (f"{p}_v{width}", f"{p}_N{width}")
        count = blocks(math.ceil(outputs / width), _STREAMS)
        loops = [*((f"b{axis}", size) for axis, size in enumerate(lead)), ("m", self.rows)]
        m, names = "m" * (self.rows > 1), [name * (size > 1) for name, size in loops[:-1]]
        each_matrix = [math.prod(lead[axis + 1 :]) for axis in range(len(lead))]
        with code.loops(*loops):
            to = offset(*_terms(names, each_matrix, self.rows * outputs), (m, outputs))
            step = lane if count == 1 else f"{count} * {lane}"
            with code.block(f"for (int o = 0; o < {outputs}; o += {step})"):
                for each in range(count):  # the last ones end with the outputs, and may overlap
                    at = f"o + {each} * {lane}" if each else "o"
                    code(f"const int o{each} = {p}_least({at}, {outputs} - {lane});")
                for each in range(count):
                    start = f"{p}_load{width}({bias} + o{each})" if bias else f"{p}_all{width}(0.0f)"
                    code(f"{vector} a{each} = {start};")
                code(f"const float *w = {weight}{plus(offset(*_terms(names, each_matrix, inputs * outputs)))};")
                with code.block(f"for (int k = 0; k < {inputs}; ++k)"):
                    at = offset(*zip(names, by_matrix, strict=True), (m, by_row), ("k" * (inputs > 1), by_input))
                    code(f"const float x = in[{at}];")
                    for each in range(count):
                        code(f"a{each} += x * {p}_load{width}(w + o{each});")
                    code(f"w += {outputs};")
                for each in range(count):
                    value = applied(self.after, f"a{each}", p, width)
                    code(f"{p}_store{width}(out{plus(to)} + o{each}, {value});")


def _terms(names: list[str], factors: list[int], size: int) -> list[tuple[str, int]]:
    return [(name, factor * size) for name, factor in zip(names, factors, strict=True)]
