"""Compute the integers that an ONNX graph derives from constants and shapes, exactly for any number of images."""

import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from .batch_multiple import MOST_SIZES, Images
from .expression import Unsupported
from .views import dims, merged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .onnx_node import Node

__all__ = ["sizes_of"]

_BOOL, _INT64 = 9, 7
_FAR = 2**62


Sizes = Union["NDArray[Any]", None]


def sizes_of(node: "Node") -> Sizes:
    """Return the integers that a node computes, or ``None`` if it does not compute with sizes.

    Raises:
        Unsupported: what it computes from sizes is not supported.
    """
    compute = _OPERATORS.get(node.operator)
    if compute is None or (node.operator != "Shape" and not node.reads_sizes()):
        return None
    found = np.asarray(compute(node), object)
    if found.size > MOST_SIZES or any(abs(each) > _FAR for each in found.flat if not isinstance(each, Images)):
        raise Unsupported("too many sizes")
    return found


def _shape(node: "Node") -> Any:
    inputs = node.value()
    group = merged(inputs)
    whole = Images(group) if node.batch is None else group * node.batch
    sizes = [whole if size is None else size for size in dims(inputs)]
    return sizes[slice(node.integer("start", 0), node.integer("end", len(sizes)))]


def _gather(node: "Node") -> Any:
    values, places, axis = node.array(0), node.array(1), node.integer("axis", 0)
    if values.ndim != 1 or axis % 1 or not all(-len(values) <= place < len(values) for place in places.flat):
        raise Unsupported("places that are not there")
    return values[places.astype(np.int64)]


def _slice(node: "Node") -> Any:
    values, starts, ends = node.array(0), node.sizes(1), node.sizes(2)
    starts, ends = starts or [], ends or []
    axes, steps = node.sizes(3) or list(range(len(starts))), node.sizes(4) or [1] * len(starts)
    places = [axis % values.ndim for axis in axes if -values.ndim <= axis < values.ndim]
    if not len(starts) == len(ends) == len(places) == len(axes) == len(steps) or len(set(places)) != len(places):
        raise Unsupported("a slice of sizes that is not known")
    parts = [slice(None)] * values.ndim
    for axis, start, end, step in zip(places, starts, ends, steps, strict=True):
        size = values.shape[axis]
        if not step or (step < 0 and start < -size):
            raise Unsupported("a slice of sizes that is not known")
        parts[axis] = slice(start, None if step < 0 and end < -size else end, step)
    return values[tuple(parts)]


def _concat(node: "Node") -> Any:
    parts = [node.array(place) for place in range(node.inputs)]
    if node.integer("axis", 0) not in (0, -1) or any(part.ndim != 1 for part in parts):
        raise Unsupported("sizes of several axes")
    return np.concatenate(parts)


def _transpose(node: "Node") -> Any:
    values = node.array(0)
    order = node.integers("perm")
    if order is not None and sorted(order) != list(range(values.ndim)):
        raise Unsupported("axes that do not fit")
    return values.transpose(order)


def _reshape(node: "Node") -> Any:
    node.integer("allowzero", 0)
    wanted = node.sizes(1) or []
    try:
        return node.array(0).reshape(wanted)
    except ValueError:
        raise Unsupported("a shape that does not fit") from None


def _unsqueeze(node: "Node") -> Any:
    try:
        return np.expand_dims(node.array(0), tuple(node.sizes(1) or ()))
    except ValueError:
        raise Unsupported("axes that do not fit") from None


def _squeeze(node: "Node") -> Any:
    axes = node.sizes(1)
    try:
        return np.squeeze(node.array(0), None if axes is None else tuple(axes))
    except ValueError:
        raise Unsupported("axes that do not fit") from None


def _range(node: "Node") -> Any:
    limits = [node.array(place) for place in range(3)]
    if any(each.ndim or not isinstance(each[()], int) for each in limits) or not limits[2][()]:
        raise Unsupported("it computes with the number of images")
    found = range(*(each[()] for each in limits))
    if len(found) > MOST_SIZES:
        raise Unsupported("too many sizes")
    return list(found)


def _cast(node: "Node") -> Any:
    kind, values = node.integer("to", 0), node.array(0)
    node.integer("saturate", 1)
    if kind not in (_BOOL, _INT64):
        raise Unsupported("it gives other numbers than sizes")
    return values if kind == _INT64 else np.frompyfunc(bool, 1, 1)(_certain(values))


def _comparison(compare: Callable[[int, int], bool]) -> "Callable[[Node], Any]":
    def read(one: Any, other: Any) -> Any:
        return np.frompyfunc(compare, 2, 1)(_certain(one), _certain(other))

    return _pair(read)


def _certain(values: "NDArray[Any]") -> "NDArray[Any]":
    if any(isinstance(each, Images) for each in values.flat):
        raise Unsupported("it computes with the number of images")
    return values


def _pair(combine: Callable[[Any, Any], Any]) -> "Callable[[Node], Any]":
    def read(node: "Node") -> Any:
        try:
            return combine(node.array(0), node.array(1))
        except (ValueError, TypeError, ZeroDivisionError):
            raise Unsupported("sizes that do not fit") from None

    return read


def _quotient(one: Any, other: Any) -> Any:
    """Return a quotient rounded towards zero, as engines do."""
    if isinstance(one, Images) or isinstance(other, Images) or (one < 0) == (other < 0):
        return one // other
    return -(-one // other)


def _rest(node: "Node") -> Any:
    """Return remainders of the divisor's sign, as ONNX defines them for integers."""
    node.require("fmod", 0)
    return _pair(lambda one, other: np.frompyfunc(operator.mod, 2, 1)(_certain(one), _certain(other)))(node)


_OPERATORS: "Mapping[str, Callable[[Node], Any]]" = {
    "Shape": _shape,
    "Gather": _gather,
    "Slice": _slice,
    "Concat": _concat,
    "Reshape": _reshape,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Range": _range,
    "Cast": _cast,
    "Identity": lambda node: node.array(0),
    "Transpose": _transpose,
    "Add": _pair(lambda one, other: one + other),
    "Sub": _pair(lambda one, other: one - other),
    "Mul": _pair(lambda one, other: one * other),
    "Div": _pair(lambda one, other: np.frompyfunc(_quotient, 2, 1)(one, other)),
    "Mod": _rest,
    "Equal": _comparison(operator.eq),
    "Less": _comparison(operator.lt),
    "Greater": _comparison(operator.gt),
    "Not": lambda node: np.frompyfunc(operator.not_, 1, 1)(_certain(node.array(0))),
}
