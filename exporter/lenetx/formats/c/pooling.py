"""Pool: the largest or the mean of each window."""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from .layout import Layout, dense
from .steps import Context, Step
from .text import Code, number, offset

__all__ = ["GlobalAverage", "Pool", "Pooling", "combined"]


@dataclass(frozen=True, slots=True)
class Pool:
    """The windows of a pooling.

    Attributes:
        kind: ``max`` or ``average``.
        window, strides, dilations: along each spatial axis.
        pads: before each spatial axis, then after each.
        counts_padding: whether the mean divides by the whole window.
    """

    kind: str
    window: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    counts_padding: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether there are two spatial axes without dilation."""
        return len(self.window) == 2 and set(self.dilations) == {1}

    def describe(self) -> str:
        """Return it in words."""
        return f"{'x'.join(map(str, self.window))} {self.kind} pooling"


def combined(kind: str, values: Sequence[str], prefix: str, width: int) -> str:
    """Return the C expression for the largest of values, or for their sum."""
    found = values[0]
    for value in values[1:]:
        found = f"{prefix}_max{width}({found}, {value})" if kind == "max" else f"{found} + {value}"
    return found


@dataclass(slots=True, kw_only=True)
class Pooling(Step):
    """A pooling of [N, C, D1, …] on its own."""

    pool: Pool

    def describe(self) -> str:
        """Return it in words."""
        return self.pool.describe()

    def code(self, context: Context, code: Code) -> None:
        """Write its loops."""
        given, made = context.layouts[self.reads[0]], context.layouts[self.writes]
        prefix, axes = context.prefix, range(len(self.pool.window))
        channel_last = made.strides[1] == 1
        outer = [("n", self.shape[0]), *[("c", self.shape[1])] * (not channel_last)]
        outer += [(f"y{axis}", self.shape[axis + 2]) for axis in axes]
        with code.loops(*outer):
            for axis in axes:
                self._limits(code, given, axis, prefix)
            with code.loops(*[("c", self.shape[1])] * channel_last):
                self._window(code, given, made, prefix)

    def _limits(self, code: Code, given: Layout, axis: int, prefix: str) -> None:
        """Write which elements of the window lie inside along one axis, as its first and the end."""
        pool, size = self.pool, given.shape[axis + 2]
        before, dilation = pool.pads[axis], pool.dilations[axis]
        variable = f"y{axis}" if self.shape[axis + 2] > 1 else "0"
        code(f"const int s{axis} = {variable} * {pool.strides[axis]} - {before};")
        if self._is_inside(given, axis):
            code(f"const int a{axis} = 0, b{axis} = {pool.window[axis]};")
            return
        code(f"const int a{axis} = {prefix}_most(0, ({dilation - 1} - s{axis}) / {dilation});")
        last = f"({size + dilation - 1} - s{axis}) / {dilation}"
        code(f"const int b{axis} = {prefix}_least({pool.window[axis]}, {last});")

    def _is_inside(self, given: Layout, axis: int) -> bool:
        pool = self.pool
        reach = (self.shape[axis + 2] - 1) * pool.strides[axis] - pool.pads[axis]
        reach += (pool.window[axis] - 1) * pool.dilations[axis]
        return pool.pads[axis] == 0 and reach < given.shape[axis + 2]

    def _window(self, code: Code, given: Layout, made: Layout, prefix: str) -> None:
        pool, axes = self.pool, range(len(self.pool.window))
        base = [("n" * (self.shape[0] > 1), given.strides[0]), ("c" * (self.shape[1] > 1), given.strides[1])]
        is_max = pool.kind == "max"
        first = [(f"(s{axis} + a{axis} * {pool.dilations[axis]})", given.strides[axis + 2]) for axis in axes]
        code(f"float found = {f'in[{offset(*base, *first)}]' if is_max else '0.0f'};")
        with _windows(code, axes):
            index = offset(
                *base, *((f"(s{axis} + k{axis} * {pool.dilations[axis]})", given.strides[axis + 2]) for axis in axes)
            )
            code(f"found = {prefix}_max1(found, in[{index}]);" if is_max else f"found += in[{index}];")
        place = [(f"{name}" if size > 1 else "", stride) for name, size, stride in self._places(made)]
        code(f"out[{offset(*place)}] = found{'' if is_max else self._divided(given, prefix)};")

    def _places(self, made: Layout) -> list[tuple[str, int, int]]:
        names = ["n", "c", *(f"y{axis}" for axis in range(len(self.pool.window)))]
        return list(zip(names, self.shape, made.strides, strict=True))

    def _divided(self, given: Layout, prefix: str) -> str:
        """Return the division of a sum: by the window, or by the part of it that counts."""
        pool, axes = self.pool, range(len(self.pool.window))
        if all(self._is_inside(given, axis) for axis in axes):
            return f" / {number(math.prod(pool.window))}"
        if not pool.counts_padding:
            return f" / (float)({' * '.join(f'(b{axis} - a{axis})' for axis in axes)})"
        counts = [self._counted(given, axis, prefix) for axis in axes]
        return f" / (float)({' * '.join(counts)})"

    def _counted(self, given: Layout, axis: int, prefix: str) -> str:
        """Return how many elements of a window count if padding does, but not what hangs over the padding's end."""
        pool = self.pool
        end = given.shape[axis + 2] + pool.pads[axis + len(pool.window)]
        reach = (self.shape[axis + 2] - 1) * pool.strides[axis] - pool.pads[axis]
        if reach + (pool.window[axis] - 1) * pool.dilations[axis] < end:
            return str(pool.window[axis])
        dilation = pool.dilations[axis]
        inside = f"({end + dilation - 1} - s{axis}) / {dilation}"
        return f"{prefix}_least({pool.window[axis]}, {inside})"


@contextmanager
def _windows(code: Code, axes: range) -> Iterator[None]:
    with ExitStack() as stack:
        for axis in axes:
            stack.enter_context(code.block(f"for (int k{axis} = a{axis}; k{axis} < b{axis}; ++k{axis})"))
        yield


@dataclass(slots=True, kw_only=True)
class GlobalAverage(Step):
    """The mean of each channel of [N, C, …]."""

    def describe(self) -> str:
        """Return it in words."""
        return "mean of each channel"

    def place(self, context: Context) -> Layout:
        """Return the layout of its result."""
        return dense(self.shape, None, context.borders.get(self.writes, (0, 0, 0, 0)))

    def code(self, context: Context, code: Code) -> None:
        """Write its loops."""
        given, made = context.layouts[self.reads[0]], context.layouts[self.writes]
        sizes = given.shape[2:]
        with code.loops(("n", self.shape[0]), ("c", self.shape[1])):
            code("float sum = 0.0f;")
            base = [("n" * (self.shape[0] > 1), given.strides[0]), ("c" * (self.shape[1] > 1), given.strides[1])]
            inner = [(f"y{axis}", size) for axis, size in enumerate(sizes)]
            with code.loops(*inner):
                index = offset(
                    *base, *((name * (size > 1), given.strides[axis + 2]) for axis, (name, size) in enumerate(inner))
                )
                code(f"sum += in[{index}];")
            place = offset(("n" * (self.shape[0] > 1), made.strides[0]), ("c" * (self.shape[1] > 1), made.strides[1]))
            code(f"out[{place}] = sum / {number(math.prod(sizes))};")
