"""Read PyTorch's shape, slicing and padding operators into canonical form."""

from collections.abc import Callable, Mapping
from typing import Any

from . import shapes, views
from .expression import FRONT, Expression, Unsupported
from .torch_call import Call

__all__ = ["SHAPES"]

_ALL = 2**31
"""A slice that ends here or later extends to the end of the axis."""

Operator = Callable[[Call], Expression | list[Expression]]


def _same(call: Call) -> Expression:
    call.drop("memory_format")
    return call.value()


def _view(call: Call) -> Expression:
    inputs = call.value()
    call.drop("size", "shape", "dim")  # the tape has the result's shape
    return views.view(inputs, views.located(inputs, call.sizes, call.count))


def _as_strided(call: Call) -> Expression:
    inputs = call.value()
    call.drop("size", "stride", "storage_offset")
    if not call.keeps_numbers():
        raise Unsupported("in another order")
    return inputs


def _expand(call: Call) -> Expression:
    found = call.value()
    call.drop("size", "implicit")
    if views.measured(found, call.count) == call.sizes:
        return found
    if found.batch != FRONT:
        raise Unsupported("it mixes the images of a batch")
    return shapes.expand(found, call.sizes[1:], batched=True)


def _permute(call: Call) -> Expression:
    order = call.wholes("dims")
    return views.reorder(call.value(), [axis % len(order) for axis in order])


def _transpose(call: Call) -> Expression:
    order = list(range(len(call.sizes)))
    first, second = (call.whole(name) % len(order) for name in ("dim0", "dim1"))
    order[first], order[second] = order[second], order[first]
    return views.reorder(call.value(), order)


def _slice(call: Call) -> Expression:
    inputs, axis = call.value(), call.whole("dim")
    start, end, step = call.take("start"), call.take("end"), call.whole("step")
    if axis % len(call.sizes) == views.dims(inputs).index(None):
        if start not in (None, 0) or (end is not None and end < _ALL) or step != 1:
            raise Unsupported("it chooses among the images of a batch")
        return inputs
    return shapes.cut(inputs, shapes.axis_of(inputs, axis), start, end, step)


def _select(call: Call) -> Expression:
    inputs = call.value()
    return shapes.pick(inputs, shapes.axis_of(inputs, call.whole("dim")), call.whole("index"))


def _unbind(call: Call) -> list[Expression]:
    inputs = call.value()
    axis = shapes.axis_of(inputs, call.whole("dim"))
    return [shapes.pick(inputs, axis, place) for place in range(inputs.axes[axis])]


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
    place = axis % len(call.sizes)
    sizes = [views.dims(each) for each in values]
    thicker = [views.view(each, [*size[:place], 1, *size[place:]]) for each, size in zip(values, sizes, strict=True)]
    return shapes.concat(thicker, shapes.axis_of(thicker[0], place))


def _roll(call: Call) -> Expression:
    found = call.value()
    for shift, axis in zip(call.wholes("shifts"), call.wholes("dims"), strict=True):
        found = shapes.roll(found, shapes.axis_of(found, axis), shift)
    return found


def _flip(call: Call) -> Expression:
    found = call.value()
    for axis in call.wholes("dims"):
        found = shapes.cut(found, shapes.axis_of(found, axis), None, None, -1)
    return found


def _repeat(call: Call) -> Expression:
    inputs, times = call.value(), call.wholes("repeats")
    if inputs.batch != FRONT or times[:1] != [1]:
        raise Unsupported("it mixes the images of a batch")
    return shapes.tile(inputs, times[1:])


def _index(call: Call) -> Expression:
    inputs, chosen = call.value(), call.take("indices")
    given = [axis for axis, each in enumerate(chosen) if each is not None]
    if len(given) != 1 or chosen[given[0]].ndim != 1:
        raise Unsupported("of several axes")
    axis = shapes.axis_of(inputs, given[0])
    order = [axis, *(other for other in range(len(inputs.axes)) if other != axis)]
    found = shapes.take(shapes.transpose(inputs, order), 0, places_of(chosen[given[0]]), chosen[given[0]].shape)
    return shapes.transpose(found, [order.index(place) for place in range(len(order))])


def _index_select(call: Call) -> Expression:
    inputs, axis = call.value(), call.whole("dim")
    places = places_of(call.take("index"))
    return shapes.take(inputs, shapes.axis_of(inputs, axis), places, [len(places)])


def _pad(call: Call) -> Expression:
    inputs, is_constant = call.value(), call.has("value")
    sizes = call.wholes("pad" if is_constant else "padding")
    value, mode = (call.scalar("value"), "constant") if is_constant else (0.0, "reflect")
    count = len(inputs.axes)
    if len(sizes) > 2 * count:
        raise Unsupported("it mixes the images of a batch")
    sizes += [0] * (2 * count - len(sizes))  # in PyTorch's order: from the last axis backwards, before and after each
    return shapes.pad(inputs, [*sizes[-2::-2], *sizes[::-2]], value, mode)


def places_of(tensor: Any) -> list[int]:
    """Return the integers of a constant tensor.

    Raises:
        Unsupported: it is not an integer tensor, or it depends on the input.
    """
    import torch

    if not isinstance(tensor, torch.Tensor) or tensor.is_floating_point() or tensor.dtype == torch.bool:
        raise Unsupported("its indices are not constant")
    found: list[int] = tensor.reshape(-1).tolist()
    return found


SHAPES: Mapping[str, Operator] = {
    **dict.fromkeys(("clone", "alias", "detach", "contiguous"), _same),
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "squeeze", "unsqueeze"), _view),
    "as_strided": _as_strided,
    "expand": _expand,
    "permute": _permute,
    "transpose": _transpose,
    "slice": _slice,
    "select": _select,
    "unbind": _unbind,
    "split": _split,
    "split_with_sizes": _split_with_sizes,
    "cat": _cat,
    "stack": _stack,
    "constant_pad_nd": _pad,
    "reflection_pad2d": _pad,
    "pixel_shuffle": lambda call: shapes.pixel_shuffle(call.value(), call.whole("upscale_factor")),
    "pixel_unshuffle": lambda call: shapes.pixel_unshuffle(call.value(), call.whole("downscale_factor")),
    "channel_shuffle": lambda call: shapes.channel_shuffle(call.value(), call.whole("groups")),
    "roll": _roll,
    "flip": _flip,
    "repeat": _repeat,
    "index": _index,
    "index_select": _index_select,
}
