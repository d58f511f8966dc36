"""Build expressions for elementwise arithmetic, activations and reductions."""

import math
from collections.abc import Sequence
from typing import Any

from .expression import FRONT, Expression, Unsupported, make, number, placed, single
from .layer_forms import linear, standardised
from .shapes import reshape, transpose, without

__all__ = [
    "add",
    "clip",
    "combine",
    "extreme",
    "gelu",
    "group_norm",
    "mul",
    "over_axis",
    "per_channel",
    "pointwise",
    "reduce",
    "silu",
    "softplus",
    "sub",
    "variance",
    "where",
]


def pointwise(operator: str, expression: Expression, **attributes: float) -> Expression:
    """Build an elementwise function of one value, with numbers as its attributes."""
    numbers: dict[str, Any] = {name: single(value) for name, value in attributes.items()}
    return make(operator, [expression], expression.axes, **numbers)


def combine(operator: str, one: Expression, other: Expression) -> Expression:
    """Build an elementwise function of two values, in this order; a division by 1 is dropped."""
    if operator == "div" and _is_number(other, 1):
        return one
    one, other = _aligned(one, other), _aligned(other, one)
    return make(operator, [one, other], _common(one, other))


def add(one: Expression, other: Expression) -> Expression:
    """Build a sum; adding 0 is dropped, and a dense layer without bias plus a vector is one with a bias."""
    for layer, bias in ((one, other), (other, one)):
        if _is_number(bias, 0):
            return layer
        inner = layer.arguments[0] if layer.operator == "reshape" else layer
        is_bare = inner.operator == "linear" and len(inner.arguments) == 2 and inner.axes[-1:] == layer.axes[-1:]
        if is_bare and bias.operator in ("weight", "constant") and bias.axes == layer.axes[-1:]:
            inputs = placed(inner.arguments[0], FRONT)
            return reshape(linear(inputs, transpose(inner.arguments[1], (1, 0)), bias), layer.axes, layer.batch)
    return _in_any_order("add", one, other)


def sub(one: Expression, other: Expression) -> Expression:
    """Build a difference; subtracting a number adds its negative."""
    if other.operator == "number":
        return add(one, number(-other.attributes["value"]))
    return combine("sub", one, other)


def mul(one: Expression, other: Expression) -> Expression:
    """Build a product; a factor of 1 is dropped."""
    for factor, value in ((one, other), (other, one)):
        if _is_number(factor, 1):
            return value
    return _in_any_order("mul", one, other)


def clip(expression: Expression, low: float | None, high: float | None) -> Expression:
    """Build a clip, such as ReLU; consecutive clips are merged.

    Raises:
        Unsupported: a limit is NaN, or the lower one exceeds the upper one.
    """
    lowest, highest = (-math.inf if low is None else single(low)), (math.inf if high is None else single(high))
    if math.isnan(lowest) or math.isnan(highest) or lowest > highest:
        raise Unsupported("limits that leave nothing")
    if expression.operator == "clip":
        bounds = (expression.attributes["low"], expression.attributes["high"])
        lowest, highest = (min(max(bound, lowest), highest) for bound in bounds)
        expression = expression.arguments[0]
    if (lowest, highest) == (-math.inf, math.inf):
        return expression
    return make("clip", [expression], expression.axes, low=lowest, high=highest)


def extreme(operator: str, one: Expression, other: Expression) -> Expression:
    """Build an elementwise ``maximum`` or ``minimum`` of two values; with a number it is a clip."""
    for limit, value in ((one, other), (other, one)):
        if limit.operator == "number" and value.batched:
            bound = limit.attributes["value"]
            return clip(value, bound, None) if operator == "maximum" else clip(value, None, bound)
    return _in_any_order(operator, one, other)


def silu(expression: Expression) -> Expression:
    """Build x · σ(x)."""
    return mul(expression, pointwise("sigmoid", expression))


def gelu(expression: Expression, approximate: str) -> Expression:
    """Build x · ½(1 + erf(x/√2)), or its approximation by tanh, in the operators that ONNX files use."""
    if approximate == "none":
        bent = pointwise("erf", combine("div", expression, number(math.sqrt(2))))
    elif approximate == "tanh":
        cube = combine("pow", expression, number(3))
        sum_ = add(expression, mul(number(0.044715), cube))
        bent = pointwise("tanh", mul(number(math.sqrt(2 / math.pi)), sum_))
    else:
        raise Unsupported("an approximation that is not known")
    return mul(expression, mul(number(0.5), add(bent, number(1))))


def reduce(operator: str, expression: Expression, axes: Sequence[int], *, keep: bool) -> Expression:
    """Build a reduction over some axes of each image."""
    if not axes or not expression.batched or not set(axes) <= set(range(len(expression.axes))):
        raise Unsupported("it mixes the images of a batch")
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(expression.axes))
    reduced = make(operator, [expression], shape, axes=tuple(sorted(set(axes))))
    return reduced if keep else without(reduced, axes)


def variance(expression: Expression, axes: Sequence[int], correction: float, *, keep: bool) -> Expression:
    """Build the variance over some axes, in the operators that ONNX files use."""
    apart = combine("sub", expression, reduce("mean", expression, axes, keep=True))
    found = reduce("mean", mul(apart, apart), axes, keep=False)
    if correction != 0:
        count = math.prod(expression.axes[axis] for axis in set(axes))
        found = combine("div", mul(found, number(count)), number(count - correction))
    if not keep:
        return found
    return reshape(found, [1 if axis in axes else size for axis, size in enumerate(expression.axes)])


def softplus(expression: Expression, beta: float, threshold: float) -> Expression:
    """Build log(1 + exp(beta · x)) ÷ beta, and x itself where beta · x exceeds a threshold."""
    scaled = mul(expression, number(beta))
    soft = combine("div", pointwise("softplus", scaled), number(beta))
    return where(combine("greater", scaled, number(threshold)), expression, soft)


def where(condition: Expression, one: Expression, other: Expression) -> Expression:
    """Build an elementwise choice: ``one`` where the condition holds, else ``other``."""
    values = [condition, one, other]
    batched = next((each for each in values if each.batched), condition)
    values = [_aligned(each, batched) for each in values]
    shape = values[0].axes
    for each in values[1:]:
        shape = _spread(shape, each.axes)
    return make("where", values, shape)


def over_axis(operator: str, expression: Expression, axis: int) -> Expression:
    """Build a softmax or log-softmax over one axis."""
    return make(operator, [expression], expression.axes, axis=axis)


def _is_number(expression: Expression, value: float) -> bool:
    return expression.operator == "number" and bool(expression.attributes["value"] == value)


def _in_any_order(operator: str, one: Expression, other: Expression) -> Expression:
    first, second = sorted((one, other), key=lambda each: each.key)
    return combine(operator, first, second)


def _common(one: Expression, other: Expression) -> tuple[int, ...]:
    """Return the shape to which both are broadcast."""
    if one.batched and other.batched and len(one.axes) != len(other.axes):
        raise Unsupported("it mixes the images of a batch")
    value = one if one.batched or not other.batched else other
    shape = _spread(one.axes, other.axes)
    if value.batched and len(shape) > len(value.axes):
        raise Unsupported("shapes that do not fit")
    return shape


def _spread(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    width = max(len(one), len(other))
    sizes = [[1] * (width - len(shape)) + list(shape) for shape in (one, other)]
    if any(left != right and 1 not in (left, right) for left, right in zip(*sizes, strict=True)):
        raise Unsupported("shapes that do not fit")
    return tuple(right if left == 1 else left for left, right in zip(*sizes, strict=True))


def _aligned(beside: Expression, value: Expression) -> Expression:
    """Reshape a weight or constant to the axes of one image of the value that it is combined with."""
    if beside.batched or value.batch is None:
        return beside
    start, _, end = value.batch
    over = len(beside.axes) - (len(value.axes) - end)
    if over < 1:
        return beside
    if beside.axes[over - 1] != 1 or over - 1 > start:
        raise Unsupported("shapes that do not fit")
    merged = [1] * (end - start) if over > 1 else []
    return reshape(beside, [*beside.axes[: over - 1], *merged, *beside.axes[over:]])


def group_norm(
    inputs: Expression, weight: Expression | None, bias: Expression | None, groups: int, epsilon: float
) -> Expression:
    """Build a norm over groups of channels, with a weight and a bias for each channel."""
    channels = inputs.axes[0]
    if groups < 1 or channels % groups:
        raise Unsupported("groups that do not fit")
    found = reshape(standardised(reshape(inputs, (groups, math.prod(inputs.axes) // groups)), 1, epsilon), inputs.axes)
    return per_channel(found, weight, bias)


def per_channel(inputs: Expression, weight: Expression | None, bias: Expression | None) -> Expression:
    """Multiply each channel by its weight and add its bias; ``None`` leaves the step out."""
    shape = (inputs.axes[0], *[1] * (len(inputs.axes) - 1))
    found = inputs if weight is None else mul(inputs, reshape(weight, shape))
    return found if bias is None else add(found, reshape(bias, shape))
