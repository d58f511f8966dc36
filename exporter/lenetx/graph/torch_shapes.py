"""PyTorch's operators that move numbers about in canonical form."""

from collections.abc import Callable, Mapping

from . import shapes
from .expression import Expression, Strange
from .torch_call import Call

__all__ = ["SHAPES"]

_ALL = 2**31
"""From here on a slice means as far as there is anything."""

Operator = Callable[[Call], Expression | list[Expression]]


def _same(call: Call) -> Expression:
    call.drop("memory_format")
    return call.value()


def _view(call: Call) -> Expression:
    call.drop("size", "shape", "dim")  # the tape has the result's
    return shapes.reshape(call.value(), call.shape)


def _expand(call: Call) -> Expression:
    call.drop("size", "implicit")
    found = call.value()
    if found.axes != call.shape:
        raise Strange("to another shape")
    return found


def _permute(call: Call) -> Expression:
    return _reordered(call.value(), call.wholes("dims"))


def _transpose(call: Call) -> Expression:
    inputs = call.value()
    order = list(range(len(inputs.axes) + 1))
    first, second = (shapes.axis_of(inputs, call.whole(name)) + 1 for name in ("dim0", "dim1"))
    order[first], order[second] = order[second], order[first]
    return _reordered(inputs, order)


def _reordered(inputs: Expression, order: list[int]) -> Expression:
    rank = len(inputs.axes) + 1
    places = [axis % rank for axis in order]
    if places[:1] != [0]:
        raise Strange("it mixes the images of a batch")
    return shapes.transpose(inputs, [axis - 1 for axis in places[1:]])


def _slice(call: Call) -> Expression:
    inputs, axis = call.value(), call.whole("dim")
    start, end, step = call.take("start"), call.take("end"), call.whole("step")
    if axis in (0, -1 - len(inputs.axes)):
        if start not in (None, 0) or (end is not None and end < _ALL) or step != 1:
            raise Strange("it chooses among the images of a batch")
        return inputs
    return shapes.cut(inputs, shapes.axis_of(inputs, axis), start, end, step)


def _select(call: Call) -> Expression:
    inputs = call.value()
    return shapes.pick(inputs, shapes.axis_of(inputs, call.whole("dim")), call.whole("index"))


def _split(call: Call) -> list[Expression]:
    inputs, size = call.value(), call.whole("split_size")
    axis = shapes.axis_of(inputs, call.whole("dim"))
    return [shapes.cut(inputs, axis, start, start + size) for start in range(0, inputs.axes[axis], max(size, 1))]


def _split_with_sizes(call: Call) -> list[Expression]:
    inputs, sizes = call.value(), call.wholes("split_sizes")
    axis = shapes.axis_of(inputs, call.whole("dim"))
    ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
    return [shapes.cut(inputs, axis, end - size, end) for size, end in zip(sizes, ends, strict=True)]


def _cat(call: Call) -> Expression:
    values = call.values("tensors")
    return shapes.concat(values, shapes.axis_of(values[0], call.whole("dim")))


def _stack(call: Call) -> Expression:
    values, axis = call.values("tensors"), call.whole("dim")
    rank = len(values[0].axes) + 2
    place = axis % rank - 1
    if place < 0:
        raise Strange("it mixes the images of a batch")
    thicker = [shapes.reshape(each, (*each.axes[:place], 1, *each.axes[place:])) for each in values]
    return shapes.concat(thicker, place)


def _pad(call: Call) -> Expression:
    inputs, sizes = call.value(), call.wholes("pad")
    count = len(inputs.axes)
    if len(sizes) > 2 * count:
        raise Strange("it mixes the images of a batch")
    sizes += [0] * (2 * count - len(sizes))  # from the last axis on, before and behind each
    return shapes.pad(inputs, [*sizes[-2::-2], *sizes[::-2]], call.scalar("value"))


SHAPES: Mapping[str, Operator] = {
    **dict.fromkeys(("clone", "alias", "detach", "contiguous"), _same),
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "squeeze", "unsqueeze"), _view),
    "expand": _expand,
    "permute": _permute,
    "transpose": _transpose,
    "slice": _slice,
    "select": _select,
    "split": _split,
    "split_with_sizes": _split_with_sizes,
    "cat": _cat,
    "stack": _stack,
    "constant_pad_nd": _pad,
}
