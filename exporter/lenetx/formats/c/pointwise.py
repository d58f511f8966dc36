"""Write what is computed element by element: activations, sums, batch norms and softmax."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .activations import Activation, applied
from .layout import Layout, dense
from .loops import elements
from .steps import Context, Step, counted
from .text import Code, number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Norm", "Pointwise", "Scaled", "Softmax", "Sum"]


@dataclass(slots=True, kw_only=True)
class Pointwise(Step):
    """Activations of each element."""

    activations: tuple[Activation, ...]

    @property
    def aliases(self) -> str | None:
        """What it may overwrite."""
        return self.reads[0]

    def describe(self) -> str:
        """Return it in words."""
        return ", ".join(each.describe() for each in self.activations)

    def code(self, context: Context, code: Code) -> None:
        """Write its loops."""
        given, made = context.layouts[self.reads[0]], context.layouts[self.writes]
        with elements(code, self.shape, made.strides, given.strides) as (to, of):
            code(f"out[{to}] = {applied(self.activations, f'in[{of}]', context.prefix, 1)};")


@dataclass(slots=True, kw_only=True)
class Scaled(Step):
    """A factor on every element."""

    factor: float

    @property
    def aliases(self) -> str | None:
        """What it may overwrite."""
        return self.reads[0]

    def describe(self) -> str:
        """Return it in words."""
        return f"times {self.factor:.9g}"

    def code(self, context: Context, code: Code) -> None:
        """Write its loops."""
        given, made = context.layouts[self.reads[0]], context.layouts[self.writes]
        with elements(code, self.shape, made.strides, given.strides) as (to, of):
            code(f"out[{to}] = in[{of}] * {number(self.factor)};")


@dataclass(slots=True, kw_only=True)
class Sum(Step):
    """The sum of two tensors, or of one and a constant, whose axes of size 1 are repeated.

    Attributes:
        constant: name of the constant operand; ``None`` if both are computed.
        factor: of the constant.
        after: activations.
    """

    constant: str | None
    factor: float = 1.0
    after: tuple[Activation, ...] = ()

    @property
    def aliases(self) -> str | None:
        """What it may overwrite."""
        return self.reads[0]

    def describe(self) -> str:
        """Return it in words."""
        return ", ".join(["sum", *(each.describe() for each in self.after)])

    def code(self, context: Context, code: Code) -> None:
        """Write its loops."""
        made, operands = context.layouts[self.writes], [context.layouts[name] for name in self.reads]
        values = ["in"] if len(operands) == 1 else ["in0", "in1"]
        if self.constant is not None:
            held = context.constants[self.constant]
            operands.append(dense(held.shape))
            values.append(context.packed(self.constant, counted(held.size)))
        strides = [_repeated(each, self.shape) for each in operands]
        with elements(code, self.shape, made.strides, *strides) as (to, *places):
            terms = [f"{value}[{place}]" for value, place in zip(values, places, strict=True)]
            if self.factor != 1:
                terms[-1] += f" * {number(self.factor)}"
            code(f"out[{to}] = {applied(self.after, ' + '.join(terms), context.prefix, 1)};")


def _repeated(layout: Layout, shape: tuple[int, ...]) -> list[int]:
    """Return the strides of a tensor along the axes of a larger one: 0 where it is repeated."""
    missing = len(shape) - len(layout.shape)
    own = [0 if size == 1 else stride for size, stride in zip(layout.shape, layout.strides, strict=True)]
    return [0] * missing + own


@dataclass(slots=True, kw_only=True)
class Norm(Step):
    """A batch norm in eval mode, as a factor and a summand per channel, computed in float64 and rounded once.

    Attributes:
        factor, summand: float32[C].
        after: activations.
    """

    factor: "NDArray[np.float32]"
    summand: "NDArray[np.float32]"
    after: tuple[Activation, ...] = ()

    @property
    def aliases(self) -> str | None:
        """What it may overwrite."""
        return self.reads[0]

    def describe(self) -> str:
        """Return it in words."""
        return ", ".join(["batch norm", *(each.describe() for each in self.after)])

    def code(self, context: Context, code: Code) -> None:
        """Write its loops."""
        given, made = context.layouts[self.reads[0]], context.layouts[self.writes]
        names = [context.names.of(f"{self.writes} {word}") for word in ("factor", "summand")]
        context.arrays |= dict(zip(names, (self.factor, self.summand), strict=True))
        channel = [int(axis == 1) for axis in range(len(self.shape))]
        with elements(code, self.shape, made.strides, given.strides, channel) as (to, of, at):
            value = f"in[{of}] * {names[0]}[{at}] + {names[1]}[{at}]"
            code(f"out[{to}] = {applied(self.after, value, context.prefix, 1)};")


@dataclass(slots=True, kw_only=True)
class Softmax(Step):
    """A softmax, or its logarithm, over some neighbouring axes.

    Attributes:
        axes: the first and the end of them.
        is_log: whether it is the logarithm.
    """

    axes: tuple[int, int]
    is_log: bool

    @property
    def aliases(self) -> str | None:
        """What it may overwrite."""
        return self.reads[0]

    def describe(self) -> str:
        """Return it in words."""
        return "logarithm of softmax" if self.is_log else "softmax"

    def code(self, context: Context, code: Code) -> None:
        """Write its loops."""
        given, made = context.layouts[self.reads[0]], context.layouts[self.writes]
        first, end = self.axes
        outer = [size if not first <= axis < end else 1 for axis, size in enumerate(self.shape)]
        inner = [size if first <= axis < end else 1 for axis, size in enumerate(self.shape)]
        with elements(code, outer, made.strides, given.strides, start="o") as (base_to, base_of):
            code(f"const float *row = in + {base_of};", f"float *result = out + {base_to};")
            code("float top = row[0], sum = 0.0f;")
            with elements(code, inner, made.strides, given.strides) as (to, of):
                code(f"top = {context.prefix}_max1(top, row[{of}]);")
            if self.is_log:
                with elements(code, inner, made.strides, given.strides) as (to, of):
                    code(f"sum += expf(row[{of}] - top);")
                code("sum = logf(sum);")
                with elements(code, inner, made.strides, given.strides) as (to, of):
                    code(f"result[{to}] = row[{of}] - top - sum;")
                return
            with elements(code, inner, made.strides, given.strides) as (to, of):
                code(f"result[{to}] = expf(row[{of}] - top);", f"sum += result[{to}];")
            with elements(code, inner, made.strides, made.strides) as (to, _):
                code(f"result[{to}] /= sum;")
