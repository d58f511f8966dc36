"""Write what only moves elements: copies into another order or a border, joins, padding, and views."""

import math
from dataclasses import dataclass

from .layout import Layout, dense, moved
from .loops import elements
from .steps import Context, Step, counted
from .text import Code, number, offset

__all__ = ["Copy", "Join", "Pad", "View"]


@dataclass(slots=True, kw_only=True)
class Copy(Step):
    """The same elements elsewhere: inside a border of zeros, or in row-major order.

    Attributes:
        is_row_major: whether they are put into row-major order; otherwise they keep theirs.
    """

    is_row_major: bool = False

    def place(self, context: Context) -> Layout:
        """Return the layout of its result."""
        border = context.borders.get(self.writes, (0, 0, 0, 0))
        if self.is_row_major:
            return dense(self.shape, None, border)
        return moved(context.layouts[self.reads[0]], self.shape, border)

    def describe(self) -> str:
        """Return it in words."""
        return "copy in row-major order" if self.is_row_major else "copy inside a border of zeros"

    def code(self, context: Context, code: Code) -> None:
        """Write its loops."""
        given, made = context.layouts[self.reads[0]], context.layouts[self.writes]
        with elements(code, self.shape, made.strides, given.strides) as (to, of):
            code(f"out[{to}] = in[{of}];")


@dataclass(slots=True, kw_only=True)
class View(Step):
    """The same elements with other axes.

    Nothing is moved where they lie in row-major order, or where only dense layers read them.
    """

    def place(self, context: Context) -> Layout:
        """Return the layout of its result."""
        given = context.layouts[self.reads[0]]
        has_gaps = given.size != math.prod(given.shape)
        if given.is_row_major or has_gaps or self.writes not in context.only_flat:
            return dense(self.shape, None, context.borders.get(self.writes, (0, 0, 0, 0)))
        usual = dense(self.shape)
        return Layout(self.shape, usual.strides, 0, usual.size, order=_order(given))

    def needs_copy(self, context: Context) -> bool:
        """Return whether the elements must be put into row-major order."""
        given, made = context.layouts[self.reads[0]], context.layouts[self.writes]
        return not (given.is_row_major and made.is_row_major) and made.order is None

    def describe(self) -> str:
        """Return it in words."""
        return f"as {'x'.join(map(str, self.shape))}"

    def code(self, context: Context, code: Code) -> None:
        """Write its loops."""
        given = context.layouts[self.reads[0]]
        made = context.layouts[self.writes]
        if not made.is_row_major:
            raise AssertionError("a view has no border")
        with elements(code, given.shape, dense(given.shape).strides, given.strides) as (to, of):
            code(f"out[{to}] = in[{of}];")


def _order(given: Layout) -> tuple[int, ...]:
    """Return the row-major index of each element as they lie in memory."""
    import numpy as np

    places = np.arange(math.prod(given.shape)).reshape(given.shape)
    axes = sorted(range(len(given.shape)), key=lambda axis: (-given.strides[axis], axis))
    return tuple(places.transpose(axes).ravel().tolist())


@dataclass(slots=True, kw_only=True)
class Join(Step):
    """Tensors behind each other along an axis.

    Attributes:
        axis: along which.
        parts: all of them, by name; constants are not in ``reads``.
    """

    axis: int
    parts: tuple[str, ...]

    def describe(self) -> str:
        """Return it in words."""
        return f"{len(self.parts)} tensors joined along axis {self.axis}"

    def code(self, context: Context, code: Code) -> None:
        """Write its loops."""
        made, start = context.layouts[self.writes], 0
        sources = ["in"] if len(self.reads) == 1 else [f"in{place}" for place in range(len(self.reads))]
        for name in self.parts:
            if name in context.constants:
                held = context.constants[name]
                given, source = dense(held.shape), context.packed(name, counted(held.size))
            else:
                given, source = context.layouts[name], sources.pop(0)
            with elements(code, given.shape, made.strides, given.strides) as (to, of):
                at = f"{start * made.strides[self.axis]} + " * (start > 0)
                code(f"out[{at}{to}] = {source}[{of}];")
            start += given.shape[self.axis]


@dataclass(slots=True, kw_only=True)
class Pad(Step):
    """A tensor with more, or fewer, elements on each side.

    Attributes:
        before: elements added before each axis; negative ones are cut off.
        mode: ``constant``, ``edge``, ``reflect`` or ``wrap``.
        value: the constant.
    """

    before: tuple[int, ...]
    mode: str
    value: float = 0.0

    def describe(self) -> str:
        """Return it in words."""
        return f"padding, {self.mode}"

    def code(self, context: Context, code: Code) -> None:
        """Write its loops."""
        given, made = context.layouts[self.reads[0]], context.layouts[self.writes]
        axes = range(len(self.shape))
        with code.loops(*((f"i{axis}", self.shape[axis]) for axis in axes)):
            outside, places = [], []
            for axis in axes:
                size, start = given.shape[axis], self.before[axis]
                if size == self.shape[axis] and start == 0:
                    places.append((f"i{axis}" * (size > 1), given.strides[axis]))
                    continue
                variable = f"i{axis}" if self.shape[axis] > 1 else "0"
                code(f"int s{axis} = {variable} - {start};".replace("- -", "+ "))
                outside.append(f"s{axis} < 0 || s{axis} >= {size}")
                self._folded(code, f"s{axis}", size)
                places.append((f"s{axis}", given.strides[axis]))
            to = offset(*((f"i{axis}" * (self.shape[axis] > 1), made.strides[axis]) for axis in axes))
            value = f"in[{offset(*places)}]"
            if self.mode == "constant" and outside:
                value = f"{' || '.join(outside)} ? {number(self.value)} : {value}"
            code(f"out[{to}] = {value};")

    def _folded(self, code: Code, variable: str, size: int) -> None:
        """Write how an index outside becomes one inside."""
        if self.mode == "edge":
            code(f"{variable} = {variable} < 0 ? 0 : {variable} >= {size} ? {size - 1} : {variable};")
        elif self.mode == "wrap":
            code(f"{variable} = ({variable} % {size} + {size}) % {size};")
        elif self.mode == "reflect":
            period = max(1, 2 * size - 2)
            code(f"{variable} = ({variable} % {period} + {period}) % {period};")
            code(f"{variable} = {variable} < {size} ? {variable} : {period} - {variable};")
