"""Build expressions for layers with weights: dense layers, convolutions and norms."""

import math
from collections.abc import Callable, Sequence

from .expression import FRONT, Expression, Unsupported, make, placed, single
from .shapes import reshape, transpose

__all__ = ["batch_norm", "convolution", "layer_norm", "linear", "matmul", "standardised"]


def linear(inputs: Expression, matrix: Expression, bias: Expression | None = None) -> Expression:
    """Build a dense layer.

    Args:
        inputs: [N, …, in].
        matrix: [in, out]; transpose a weight that is [out, in].
        bias: [out].
    """
    _require(not matrix.batched, "a product of two values")
    _require_apart(inputs, 1)
    _require(len(matrix.axes) == 2 and inputs.axes[-1:] == matrix.axes[:1], "a matrix that does not fit")
    outputs = matrix.axes[1]
    _require_vectors(outputs, bias)
    if 1 in inputs.axes[:-1]:
        return _as_wide(lambda wide: linear(wide, matrix, bias), [inputs], 1)
    weights = [transpose(matrix, (1, 0)), *([bias] if bias else [])]
    return make("linear", [inputs, *weights], (*inputs.axes[:-1], outputs))


def matmul(one: Expression, other: Expression) -> Expression:
    """Build a matrix product over the last two axes of two values.

    Args:
        one: [N, …, rows, inner], or a weight matrix.
        other: [N, …, inner, columns], or a weight matrix.
    """
    if not other.batched:
        if other.operator == "expand" and other.axes[-2:] == other.arguments[0].axes[-2:]:
            other = other.arguments[0]  # the same matrix, repeated
        _require(math.prod(other.axes[:-2]) == 1, "a matrix for each of several values")
        return linear(one, reshape(other, other.axes[-2:]))
    _require_apart(other, 2)
    if not one.batched:
        _require(len(one.axes) == 2, "a matrix for each of several values")
        return _turned(linear(_turned(other), transpose(one, (1, 0))))
    _require_apart(one, 2)
    if one.batch != other.batch or one.axes[:-2] != other.axes[:-2]:
        one, other = _with_one_batch_axis(one), _with_one_batch_axis(other)
    _require(one.batch == other.batch and one.axes[:-2] == other.axes[:-2], "axes that do not fit")
    _require(one.axes[-1] == other.axes[-2], "a matrix that does not fit")
    if 1 in one.axes[:-2]:
        return _as_wide(lambda *wide: matmul(*wide), [one, other], 2)
    return make("product", [one, other], (*one.axes[:-1], other.axes[-1]))


def _with_one_batch_axis(expression: Expression) -> Expression:
    """Merge the axes that lie along the batch axis on each of its sides."""
    start, middle, end = expression.batch or FRONT
    merged = (math.prod(expression.axes[start:middle]), math.prod(expression.axes[middle:end]))
    return reshape(
        expression, [*expression.axes[:start], *merged, *expression.axes[end:]], (start, start + 1, start + 2)
    )


def _turned(expression: Expression) -> Expression:
    """Swap the last two axes."""
    last = len(expression.axes) - 1
    return placed(transpose(expression, [*range(last - 1), last, last - 1]), expression.batch)


def _as_wide(run: Callable[..., Expression], values: Sequence[Expression], last: int) -> Expression:
    """Run a function on values without their axes of size 1, except the last ``last`` axes."""
    axes = values[0].axes[:-last]
    wide = [size for size in axes if size != 1]
    found = run(*(reshape(each, [*wide, *each.axes[-last:]], FRONT) for each in values))
    return reshape(found, [*axes, *found.axes[-last:]], values[0].batch)


def standardised(inputs: Expression, first: int, epsilon: float) -> Expression:
    """Build (x − mean) ÷ √(variance + epsilon), with mean and variance over all axes from ``first`` on."""
    _require_apart(inputs, len(inputs.axes) - first)
    return make("standardised", [inputs], inputs.axes, axes=len(inputs.axes) - first, epsilon=single(epsilon))


def convolution(
    inputs: Expression,
    weight: Expression,
    bias: Expression | None,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int,
) -> Expression:
    """Build a convolution.

    Args:
        inputs: [N, in, …]; a zero padding before the convolution is merged into its pads.
        weight: [out, in / groups, …].
        bias: [out].
        strides: per spatial axis.
        pads: those before each spatial axis, then those after each.
        dilations: per spatial axis.
        groups: number of channel groups.
    """
    _require(inputs.batch == FRONT and not weight.batched, "weights that depend on the input")
    count = len(inputs.axes) - 1
    kernel = weight.axes[2:]
    _require(count > 0 and len(kernel) == len(strides) == len(dilations) == count, "axes that do not fit")
    _require(len(pads) == 2 * count and min((*strides, *dilations, groups)) > 0 <= min(pads), "sizes out of range")
    inputs, pads = _without_zeros(inputs, pads)
    spatial = inputs.axes[1:]
    channels = weight.axes[0]
    _require(inputs.axes[0] == weight.axes[1] * groups and channels % groups == 0, "channels that do not fit")
    _require_vectors(channels, bias)
    sizes = tuple(
        (size + pads[axis] + pads[count + axis] - dilations[axis] * (kernel[axis] - 1) - 1) // strides[axis] + 1
        for axis, size in enumerate(spatial)
    )
    _require(min(sizes) > 0, "a kernel larger than its input")
    return make(
        "convolution",
        [inputs, weight, *([bias] if bias else [])],
        (channels, *sizes),
        strides=tuple(strides),
        pads=tuple(pads),
        dilations=tuple(dilations),
        groups=groups,
    )


def _without_zeros(inputs: Expression, pads: Sequence[int]) -> tuple[Expression, Sequence[int]]:
    """Merge a zero padding before a convolution into the convolution's own pads."""
    if inputs.operator != "pad" or inputs.attributes["value"] != 0:
        return inputs, pads
    around = inputs.attributes["pads"]
    half = len(around) // 2
    if around[0] or around[half]:
        return inputs, pads
    spatial = [*around[1:half], *around[half + 1 :]]
    return inputs.arguments[0], [mine + more for mine, more in zip(pads, spatial, strict=True)]


def batch_norm(inputs: Expression, parameters: Sequence[Expression | None], epsilon: float) -> Expression:
    """Build a batch norm in eval mode from weight, bias, mean and variance, each [channels]."""
    given = [each for each in parameters if each is not None]
    _require(inputs.batch == FRONT and len(given) == 4, "no weights of its own")
    _require_vectors(inputs.axes[0], *given)
    return make("batch_norm", [inputs, *given], inputs.axes, epsilon=single(epsilon))


def layer_norm(
    inputs: Expression, weight: Expression | None, bias: Expression | None, axes: int, epsilon: float
) -> Expression:
    """Build a norm over the last ``axes`` axes, with weight and bias of their shape."""
    _require(axes > 0, "axes that do not fit")
    _require_apart(inputs, axes)
    if weight is None or bias is None:
        raise Unsupported("no weights of its own")
    _require(weight.axes == bias.axes == inputs.axes[-axes:], "weights that do not fit")
    return make("layer_norm", [inputs, weight, bias], inputs.axes, axes=axes, epsilon=single(epsilon))


def _require_apart(inputs: Expression, last: int) -> None:
    """Raise ``Unsupported`` if the batch axis is one of the last axes, or merged with one."""
    _require(inputs.batch is not None and inputs.batch[2] <= len(inputs.axes) - last, "it mixes the images of a batch")


def _require_vectors(size: int, *vectors: Expression | None) -> None:
    for vector in vectors:
        fits = vector is None or (not vector.batched and vector.axes == (size,))
        _require(fits, "weights that do not fit")


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Unsupported(otherwise)
