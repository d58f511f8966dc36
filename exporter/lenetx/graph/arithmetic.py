"""Arithmetic on each number, activations, and reductions over axes."""

import math
from collections.abc import Sequence
from typing import Any

from .expression import Expression, Strange, make, number, single
from .layer_forms import linear
from .shapes import reshape, transpose

__all__ = ["add", "clip", "combine", "extreme", "gelu", "mul", "over_axis", "pointwise", "reduce", "silu", "sub"]


def pointwise(operator: str, expression: Expression, **attributes: float) -> Expression:
    """Make a function of each number, with numbers as its attributes."""
    numbers: dict[str, Any] = {name: single(value) for name, value in attributes.items()}
    return make(operator, [expression], expression.axes, **numbers)


def combine(operator: str, one: Expression, other: Expression) -> Expression:
    """Make a function of two numbers each, in this order; a quotient by 1 is none."""
    if operator == "div" and _is_number(other, 1):
        return one
    return make(operator, [one, other], _common(one, other))


def add(one: Expression, other: Expression) -> Expression:
    """Make a sum; that of a dense layer without a bias and a vector is one with a bias."""
    for layer, bias in ((one, other), (other, one)):
        if _is_number(bias, 0):
            return layer
        is_bare = layer.operator == "linear" and len(layer.arguments) == 2
        if is_bare and bias.operator == "weight" and bias.axes == layer.axes[-1:]:
            return linear(layer.arguments[0], transpose(layer.arguments[1], (1, 0)), bias)
    return _in_any_order("add", one, other)


def sub(one: Expression, other: Expression) -> Expression:
    """Make a difference; that to a number is the sum with its opposite."""
    if other.operator == "number":
        return add(one, number(-other.attributes["value"]))
    return combine("sub", one, other)


def mul(one: Expression, other: Expression) -> Expression:
    """Make a product; that with 1 is none."""
    for factor, value in ((one, other), (other, one)):
        if _is_number(factor, 1):
            return value
    return _in_any_order("mul", one, other)


def clip(expression: Expression, low: float | None, high: float | None) -> Expression:
    """Make a clip, of which ReLU is one; several in a row are one."""
    lowest, highest = (-math.inf if low is None else single(low)), (math.inf if high is None else single(high))
    if math.isnan(lowest) or math.isnan(highest) or lowest > highest:
        raise Strange("limits that leave nothing")
    if expression.operator == "clip":
        bounds = (expression.attributes["low"], expression.attributes["high"])
        lowest, highest = (min(max(bound, lowest), highest) for bound in bounds)
        expression = expression.arguments[0]
    if (lowest, highest) == (-math.inf, math.inf):
        return expression
    return make("clip", [expression], expression.axes, low=lowest, high=highest)


def extreme(operator: str, one: Expression, other: Expression) -> Expression:
    """Make the ``maximum`` or ``minimum`` of two numbers each; that with a number is a clip."""
    for limit, value in ((one, other), (other, one)):
        if limit.operator == "number" and value.batched:
            bound = limit.attributes["value"]
            return clip(value, bound, None) if operator == "maximum" else clip(value, None, bound)
    return _in_any_order(operator, one, other)


def silu(expression: Expression) -> Expression:
    """Make x · σ(x)."""
    return mul(expression, pointwise("sigmoid", expression))


def gelu(expression: Expression, approximate: str) -> Expression:
    """Make x · ½(1 + erf(x/√2)), or its approximation by tanh, in the steps that ONNX is written in."""
    if approximate == "none":
        bent = pointwise("erf", combine("div", expression, number(math.sqrt(2))))
    elif approximate == "tanh":
        cube = combine("pow", expression, number(3))
        sum_ = add(expression, mul(number(0.044715), cube))
        bent = pointwise("tanh", mul(number(math.sqrt(2 / math.pi)), sum_))
    else:
        raise Strange("an approximation that is not known")
    return mul(expression, mul(number(0.5), add(bent, number(1))))


def reduce(operator: str, expression: Expression, axes: Sequence[int], *, keep: bool) -> Expression:
    """Make one number of all along some axes."""
    if not axes or not expression.batched:
        raise Strange("it mixes the images of a batch")
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(expression.axes))
    reduced = make(operator, [expression], shape, axes=tuple(sorted(set(axes))))
    return reduced if keep else reshape(reduced, [size for axis, size in enumerate(shape) if axis not in axes])


def over_axis(operator: str, expression: Expression, axis: int) -> Expression:
    """Make softmax or its logarithm."""
    return make(operator, [expression], expression.axes, axis=axis)


def _is_number(expression: Expression, value: float) -> bool:
    return expression.operator == "number" and bool(expression.attributes["value"] == value)


def _in_any_order(operator: str, one: Expression, other: Expression) -> Expression:
    first, second = sorted((one, other), key=lambda each: each.key)
    return combine(operator, first, second)


def _common(one: Expression, other: Expression) -> tuple[int, ...]:
    """Give the shape that both are spread to."""
    if one.batched and other.batched and len(one.axes) != len(other.axes):
        raise Strange("it mixes the images of a batch")
    value, beside = (one, other) if one.batched or not other.batched else (other, one)
    shapes = [list(value.axes), list(beside.axes)]
    if value.batched and len(shapes[1]) == len(shapes[0]) + 1 and shapes[1][0] == 1:
        del shapes[1][0]
    width = max(map(len, shapes))
    if value.batched and width > len(shapes[0]):
        raise Strange("shapes that do not fit")
    sizes = [[1] * (width - len(shape)) + shape for shape in shapes]
    if any(left != right and 1 not in (left, right) for left, right in zip(*sizes, strict=True)):
        raise Strange("shapes that do not fit")
    return tuple(right if left == 1 else left for left, right in zip(*sizes, strict=True))
