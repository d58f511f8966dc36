"""Write the loops of a convolution: by channel or by pixel, see ``convolution``."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .activations import applied
from .layout import Layout
from .pooling import combined
from .steps import Context
from .text import Code, number, offset
from .vectors import lanes

if TYPE_CHECKING:
    from .convolution import Convolution

__all__ = ["blocks", "by_channel", "by_pixel", "in_one_block"]

_ACCUMULATORS = 12
"""Sums in registers at once: with 16 registers, four remain for what is loaded."""


def blocks(size: int, most: int = _ACCUMULATORS) -> int:
    """Return the width of the fewest equal blocks of at most this many that cover a size."""
    return math.ceil(size / math.ceil(size / most))


def in_one_block(step: "Convolution") -> bool:
    """Return whether ``by_pixel`` computes all channels of a row at once."""
    high = 1 if step.pool is None else step.pool.window[0]
    return blocks(step.shape[1] // step.groups, _ACCUMULATORS // high) * step.groups == step.shape[1]


def by_channel(step: "Convolution", context: Context, code: Code, weight: str, bias: str | None) -> None:
    """Write the loops: for a register of channels and a row, the pixels in blocks."""
    given, made, p = context.layouts[step.reads[0]], context.layouts[step.writes], context.prefix
    each, pool, size = step.shape[1] // step.groups, step.pool, step.size[1]
    width = lanes(each)
    vector, lane = ("float", "1") if width == 1 else (f"{p}_v{width}", f"{p}_N{width}")
    (rows, columns), high, block = step.shape[2:], 1 if pool is None else pool.window[0], blocks(size)
    c, x, y, r = "c" * (each > 1), "x" * (block < size), "y" * (rows > 1), "r" * (high > 1)
    plus_c = " + c" * bool(c)
    with _strips(code, c, lane, each, p), code.loops(("y", rows)):
        if pool is not None:
            code(f"{vector} rows[{high * size}];")
        with code.loops(("r", high)), _strips(code, x, str(block), size, p):
            start = f"{p}_load{width}({bias}{plus_c})" if bias else f"{p}_all{width}(0.0f)"
            _declare(code, vector, [f"a{place}" for place in range(block)], start)
            code(f"const float *w = {weight}{plus_c};")
            down = step.strides[0] * given.strides[2]
            apart = 1 if pool is None else pool.strides[0]
            terms = [(y, apart * down), (r, down), (x, step.strides[1] * given.strides[3])]
            with _taps(step, given, code, terms):
                code(f"const {vector} k = {p}_load{width}(w);", f"w += {each};")
                for place in range(block):
                    code(f"a{place} += k * from[{place * step.strides[1] * given.strides[3]}];")
            for place in range(block):
                value = applied(step.before, f"a{place}", p, width)
                if pool is not None:
                    code(f"rows[{offset((r, size), (x, 1), start=place)}] = {value};")
                    continue
                terms = [(y, made.strides[2]), (x, made.strides[3]), (c, 1)]
                at = offset(*terms, start=place * made.strides[3])
                code(f"{p}_store{width}(result + {at}, {applied(step.after, value, p, width)});")
        if pool is not None:
            with code.loops(("x", columns)):
                column = "x" * (columns > 1)
                cells = [
                    f"rows[{offset((column, pool.strides[1]), start=r * size + q)}]"
                    for r in range(high)
                    for q in range(pool.window[1])
                ]
                at = offset((y, made.strides[2]), (column, made.strides[3]), (c, 1))
                _pooled(step, code, p, width, vector, cells, f"result + {at}")


def by_pixel(step: "Convolution", context: Context, code: Code, weight: str, bias: str | None) -> None:
    """Write the loops: for a row and a block of channels, the pixels in registers."""
    given, made, p = context.layouts[step.reads[0]], context.layouts[step.writes], context.prefix
    each, pool, size = step.shape[1] // step.groups, step.pool, step.size[1]
    width = lanes(size)
    vector, (rows, columns), high = f"{p}_v{width}", step.shape[2:], 1 if pool is None else pool.window[0]
    block = blocks(each, _ACCUMULATORS // high)
    c, y, down = "c" * (block < each), "y" * (rows > 1), step.strides[0] * given.strides[2]
    with code.loops(("y", rows)), _strips(code, c, str(block), each, p):
        if pool is not None:
            code(f"float row[{block * size}];")
        with _strips(code, "x", f"{p}_N{width}", size, p):
            for k in range(block):
                start = f"*({bias} + {offset((c, 1), start=k)})" if bias else "0.0f"
                _declare(code, vector, [f"a{k}_{r}" for r in range(high)], f"{p}_all{width}({start})")
            code(f"const float *w = {weight}{' + c' * bool(c)};")
            apart = 1 if pool is None else pool.strides[0]
            with _taps(step, given, code, [(y, apart * down), ("x", 1)]):
                for r in range(high):
                    code(f"const {vector} p{r} = {p}_load{width}(from{f' + {r * down}' * (r > 0)});")
                for k in range(block):
                    code(" ".join(f"a{k}_{r} += p{r} * w[{k}];" for r in range(high)))
                code(f"w += {each};")
            for k in range(block):
                values = [applied(step.before, f"a{k}_{r}", p, width) for r in range(high)]
                if pool is not None:
                    at = offset(("x", 1), start=k * size)
                    code(f"{p}_store{width}(row + {at}, {combined(pool.kind, values, p, width)});")
                    continue
                at = offset((y, made.strides[2]), (c, made.strides[1]), ("x", 1), start=k * made.strides[1])
                code(f"{p}_store{width}(result + {at}, {applied(step.after, values[0], p, width)});")
        if pool is not None:
            with code.loops(("i", block), ("x", columns)):
                i, x = "i" * (block > 1), "x" * (columns > 1)
                cells = [f"row[{offset((i, size), (x, pool.strides[1]), start=q)}]" for q in range(pool.window[1])]
                terms = [(y, made.strides[2]), (c, made.strides[1]), (i, made.strides[1]), (x, made.strides[3])]
                _pooled(step, code, p, 1, "float", cells, f"result + {offset(*terms)}")


def _pooled(step: "Convolution", code: Code, p: str, width: int, vector: str, cells: list[str], to: str) -> None:
    """Write the pooling of some cells and store the result."""
    assert step.pool is not None
    code(f"{vector} v = {cells[0]};")
    for cell in cells[1:]:
        code(f"v = {p}_max{width}(v, {cell});" if step.pool.kind == "max" else f"v += {cell};")
    value = "v" if step.pool.kind == "max" else f"v / {number(math.prod(step.pool.window))}"
    code(f"{p}_store{width}({to}, {applied(step.after, value, p, width)});")


def _declare(code: Code, kind: str, names: list[str], start: str) -> None:
    code(f"{kind} {names[0]} = {start};")
    if names[1:]:
        code(f"{kind} {', '.join(f'{name} = {names[0]}' for name in names[1:])};")


@contextmanager
def _strips(code: Code, variable: str, width: str, size: int, prefix: str) -> Iterator[None]:
    """Loop over blocks of a width that cover a size; the last one overlaps the one before if they do not fit.

    Without a variable there is one block, and no loop.
    """
    if not variable:
        yield
        return
    step = f"{variable} = {prefix}_next({variable}, {width}, {size})"
    if width.isdigit() and size % int(width) == 0:
        step = f"++{variable}" if width == "1" else f"{variable} += {width}"
    with code.block(f"for (int {variable} = 0; {variable} < {size}; {step})"):
        yield


@contextmanager
def _taps(step: "Convolution", given: Layout, code: Code, terms: list[tuple[str, int]]) -> Iterator[None]:
    """Loop over the weights of one output, whose place in the input is the sum of some terms."""
    channels, (height, width) = given.shape[1] // step.groups, step.kernel
    terms = [("i" * (channels > 1), given.strides[1]), *terms]
    terms.append(("ky" * (height > 1), step.dilations[0] * given.strides[2]))
    across = step.dilations[1] * given.strides[3]
    with code.loops(("i", channels), ("ky", height)):
        index = offset(*terms)
        code(f"const float *from = image{f' + {index}' * (index != '0')};")
        with code.loops(("kx", width)):
            yield
            if width > 1:
                code("++from;" if across == 1 else f"from += {across};")
