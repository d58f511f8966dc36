"""Write the integer steps as C: plain loops over int8 numbers in the order [C][H][W]."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..steps import Packing
from ..text import Code, Names, number, offset
from .steps import Affine, Average, Join, MaxPool, Step, Table, Total

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Writer"]


_UNROLLED = 5
"""Products that are added up before they are added to a sum."""


class Writer:
    """Write the bodies of the steps' functions.

    Args:
        names: identifiers.
        prefix: of all of them.

    Attributes:
        arrays: constant arrays that the bodies read, by identifier.
    """

    def __init__(self, names: Names, prefix: str) -> None:
        self._names, self._prefix = names, prefix
        self.arrays: dict[str, Packing | NDArray[Any]] = {}
        self._bodies: Mapping[type[Step], Callable[[Any, Code], None]] = {
            Affine: self._affine,
            Average: self._average,
            Join: self._join,
            MaxPool: self._max_pool,
            Table: self._table,
            Total: self._total,
        }

    def body(self, step: Step, code: Code) -> None:
        """Write the body of a step's function, with ``in`` (``in0``, … of several), and ``out``."""
        self._bodies[type(step)](step, code)

    def _array(self, base: str, kind: str, values: "NDArray[Any]") -> str:
        name = self._names.of(f"{base} {kind}", "array")
        self.arrays[name] = values
        return name

    def _packed(self, step: Affine) -> str:
        name = self._names.of(step.weight, f"array {step.writes}")
        self.arrays[name] = Packing(step.weight, step.order)
        return name

    def _stored(self, step: Affine | Average, target: str, base: str, channel: str) -> list[str]:
        """Return the lines that store the result of ``sum``."""
        if step.rescale is None:
            return [f"{target} = (float)sum * {self._scales(step, base)};"]
        rescale = step.rescale
        if len(rescale.factors) == 1:
            factor, shift = str(int(rescale.factors[0])), str(int(rescale.shifts[0]))
        else:
            factor = f"{self._array(base, 'factors', rescale.factors)}[{channel}]"
            shift = f"{self._array(base, 'shifts', rescale.shifts)}[{channel}]"
        is_whole = factor == "1"
        product = [] if is_whole else [f"const int64_t product = (int64_t)sum * {factor};"]
        result = f"{self._prefix}_rounded({'sum' if is_whole else 'product'}, {shift}, {rescale.zero})"
        if getattr(step, "table", None) is None:
            return [*product, f"{target} = {result};"]
        return [*product, f"const int number = {result};", f"{target} = {self._looked_up(step, 'number', channel)};"]

    def _scales(self, step: Affine | Average, base: str) -> str:
        if isinstance(step, Affine):
            assert step.scales is not None
            return f"{self._array(base, 'scales', step.scales)}[o]"
        assert step.scale is not None
        return number(step.scale)

    def _looked_up(self, step: Any, value: str, channel: str) -> str:
        """Return the C expression of a number from the step's table."""
        row = f"{channel} * 256 + " * (len(step.table) > 1)
        return f"{self._array(step.writes, 'table', step.table)}[{row}128 + {value}]"

    def _affine(self, step: Affine, code: Code) -> None:
        weights, bias = self._packed(step), self._array(_base(step), "bias", step.folded)
        (self._dense if _is_dense(step) else self._convolution)(step, code, weights, bias)

    def _dense(self, step: Affine, code: Code, weights: str, bias: str) -> None:
        outputs, inputs = step.order.shape[:2]
        with code.block(f"for (int o = 0; o < {outputs}; ++o)"):
            code(f"const int8_t *row = {weights} + o * {inputs};", f"int32_t sum = {bias}[o];")
            with code.block(f"for (int i = 0; i < {inputs}; ++i)"):
                code("sum += row[i] * in[i];")
            code(*self._stored(step, "out[o]", _base(step), "o"))

    def _convolution(self, step: Affine, code: Code, weights: str, bias: str) -> None:
        outputs, inputs, rows, columns = step.order.shape
        (high, wide), width = step.pool, step.size[1]
        made = step.size[0] // high, step.size[1] // wide
        code(f"int32_t sums[{high * width}];")
        with code.block(f"for (int o = 0; o < {outputs}; ++o)"), code.loops(("y", made[0])):
            with code.block(f"for (int x = 0; x < {high * width}; ++x)"):
                code(f"sums[x] = {bias}[o];")
            counts = {"y": made[0], "i": inputs, "ky": rows, "r": high}
            y, i, ky, r = (name if count > 1 else "" for name, count in counts.items())
            with code.loops(("i", inputs), ("ky", rows)):
                place = offset(("o", inputs * rows * columns), (i, rows * columns), (ky, columns))
                code(f"const int8_t *weight = {weights} + {place};")
                with code.loops(("r", high)):
                    self._products(step, code, (y, i, ky, r))
            self._results(step, code, made[1])

    def _products(self, step: Affine, code: Code, names: tuple[str, ...]) -> None:
        """Add the products of one row of weights to a row of sums."""
        y, i, ky, r = names
        (_, height, width), (_, inputs, _, columns) = step.given, step.order.shape
        (top, left, _, _), (down, along), (ry, rx) = step.pads, step.strides, step.dilations
        plane = [(i, height * width)]
        if step.groups > 1:
            plane = [(f"(o / {len(step.order) // step.groups})", inputs * height * width), *plane]
        target = offset((r, step.size[1]), ("x", 1))
        rows = [(y, step.pool[0] * down), (r, down), (ky, ry)]
        if not any(step.pads):
            code(f"const int8_t *from = in + {offset(*plane, *((name, by * width) for name, by in rows))};")
            with code.block(f"for (int x = 0; x < {step.size[1]}; ++x)"):
                places = [offset(("x", along)) + f" + {kx * rx}" * bool(kx) for kx in range(columns)]
                terms = [f"weight[{kx}] * from[{place}]" for kx, place in enumerate(places)]
                for at in range(0, columns, _UNROLLED):
                    code(f"sums[{target}] +=")
                    code(*_lines(terms[at : at + _UNROLLED]))
            return
        code(f"const int iy = {offset(*rows)} - {top};")
        inside = f"x < {step.size[1]} && iy >= 0 && iy < {height}"
        with code.block(f"for (int x = 0; {inside}; ++x)"), code.block(f"for (int kx = 0; kx < {columns}; ++kx)"):
            code(f"const int ix = {offset(('x', along), ('kx', rx))} - {left};")
            with code.block(f"if (ix >= 0 && ix < {width})"):
                place = offset(*plane, ("iy", width), ("ix", 1))
                code(f"sums[{target}] += weight[kx] * (in[{place}] - {_plain(step.zero)});")

    def _results(self, step: Affine, code: Code, made: int) -> None:
        """Write a row of results from rows of sums."""
        high, wide = step.pool
        with code.block(f"for (int x = 0; x < {made}; ++x)"):
            code(f"int32_t sum = sums[{offset(('x', wide))}];")
            if step.pool != (1, 1):
                r, s = ("r" if high > 1 else ""), ("s" if wide > 1 else "")
                with code.loops(("r", high), ("s", wide)):
                    code(f"const int32_t other = sums[{offset((r, step.size[1]), ('x', wide), (s, 1))}];")
                    code("sum = other > sum ? other : sum;")
            code(*self._stored(step, "*out++", _base(step), "o"))

    def _windows(self, step: MaxPool | Average, code: Code, line: str) -> None:
        """Loop over the numbers of one window; ``line`` reads ``number``."""
        (_, height, width), pool = step.given, step.pool
        (sy, sx), (ry, rx), (top, left) = pool.strides, pool.dilations, pool.pads[:2]
        reach = [
            (step.size[axis] - 1) * pool.strides[axis] + (pool.window[axis] - 1) * pool.dilations[axis] + 1
            for axis in (0, 1)
        ]
        leaves = bool(top or left or reach[0] > height or reach[1] > width)
        with code.loops(("ky", pool.window[0]), ("kx", pool.window[1])):
            y, x = ("y" if step.size[0] > 1 else ""), ("x" if step.size[1] > 1 else "")
            ky, kx = ("ky" if pool.window[0] > 1 else ""), ("kx" if pool.window[1] > 1 else "")
            code(f"const int iy = {offset((y, sy), (ky, ry))}{f' - {top}' * bool(top)};")
            code(f"const int ix = {offset((x, sx), (kx, rx))}{f' - {left}' * bool(left)};")
            with code.block(f"if (iy >= 0 && iy < {height} && ix >= 0 && ix < {width})", is_open=leaves):
                code(f"const int number = in[(c * {height} + iy) * {width} + ix];", line)

    def _pooled(self, step: MaxPool | Average, code: Code, start: str, line: str, result: list[str]) -> None:
        head = f"for (int c = 0; c < {step.given[0]}; ++c)"
        with code.block(head), code.loops(("y", step.size[0]), ("x", step.size[1])):
            code(start)
            self._windows(step, code, line)
            code(*result)

    def _max_pool(self, step: MaxPool, code: Code) -> None:
        result = "(int8_t)most" if step.table is None else self._looked_up(step, "most", "c")
        line = "most = number > most ? number : most;"
        self._pooled(step, code, "int most = -128;", line, [f"*out++ = {result};"])

    def _average(self, step: Average, code: Code) -> None:
        result = self._stored(step, "*out++", step.writes, "c")
        if step.entries is None:
            start, line = "int32_t sum = 0;", f"sum += number - {_plain(step.zero)};"
        else:
            entries = self._array(step.writes, "entries", step.entries)
            start, line = "int64_t sum = 0;", f"sum += {entries}[128 + number];"
        self._pooled(step, code, start, line, result)

    def _table(self, step: Table, code: Code) -> None:
        channels = len(step.table)
        each = int(np.prod(step.shape)) // channels
        with code.loops(("c", channels)), code.block(f"for (int i = 0; i < {each}; ++i)"):
            code(f"*out++ = {self._looked_up(step, '*in++', 'c')};")

    def _total(self, step: Total, code: Code) -> None:
        channels = step.shape[0]
        each = int(np.prod(step.shape)) // channels
        constants = self._array(step.writes, "constants", step.constants)
        head = f"for (int c = 0; c < {channels}; ++c)"
        with code.block(head), code.block(f"for (int i = 0; i < {each}; ++i)"):
            code(f"int64_t sum = {constants}[{'c' if len(step.constants) > 1 else 0}];")
            for place, (zero, factor) in enumerate(zip(step.zeros, step.factors, strict=True)):
                source = "in" if len(step.reads) == 1 else f"in{place}"
                code(f"sum += (int64_t)(*{source}++ - {_plain(zero)}) * {factor};")
            code(f"*out++ = {self._prefix}_rounded(sum, {step.shift}, {step.zero});")

    def _join(self, step: Join, code: Code) -> None:
        for place, (table, size) in enumerate(zip(step.tables, step.sizes, strict=True)):
            source = "in" if len(step.reads) == 1 else f"in{place}"
            value = f"{source}[i]"
            if table is not None:
                value = f"{self._array(f'{step.writes} {place}', 'table', table)}[128 + {value}]"
            with code.block(f"for (int i = 0; i < {size}; ++i)"):
                code(f"*out++ = {value};")


def _is_dense(step: Affine) -> bool:
    return step.given[1:] == (1, 1) and step.size == (1, 1) and step.groups == 1 and step.order.shape[2:] == (1, 1)


def _base(step: Affine) -> str:
    return step.weight.rpartition(".")[0] or step.weight


def _lines(terms: Sequence[str]) -> list[str]:
    """Return a sum in lines of two terms."""
    pairs = [" + ".join(terms[at : at + 2]) for at in range(0, len(terms), 2)]
    return [f"    {pair}{' +' if place < len(pairs) - 1 else ';'}" for place, pair in enumerate(pairs)]


def _plain(zero: int) -> str:
    return f"({zero})" if zero < 0 else str(zero)
