"""Read ONNX's shape, slicing and padding operators into canonical form."""

import math
from collections.abc import Callable, Mapping, Sequence

from . import shapes, views
from .batch_multiple import Images
from .expression import FRONT, Expression, Unsupported
from .onnx_node import Node

__all__ = ["SHAPES"]

Operator = Callable[[Node], Expression | list[Expression]]


def _flatten(node: Node) -> Expression:
    inputs = node.value()
    if inputs.batch != FRONT or node.integer("axis", 1) not in (1, -len(inputs.axes)):
        raise Unsupported("it mixes the images of a batch")
    return shapes.reshape(inputs, [math.prod(inputs.axes)])


def _reshape(node: Node) -> Expression:
    inputs, wanted = node.value(), node.extents(1)
    keeps = not node.integer("allowzero", 0)
    if wanted is None:
        raise Unsupported("too few inputs")
    have = views.dims(inputs)
    if any(size == 0 and (not keeps or place >= len(have)) for place, size in enumerate(wanted)):
        raise Unsupported("a shape that does not fit")
    return _viewed(node, inputs, [have[place] if size == 0 else size for place, size in enumerate(wanted)])


def _viewed(node: Node, inputs: Expression, wanted: "Sequence[int | Images | None]") -> Expression:
    """Build a view to a shape in which −1 is the remaining size and ``None`` the unchanged batch axis."""
    if inputs.batch is None:
        return shapes.reshape(inputs, _resolved(wanted, math.prod(inputs.axes)))
    multiples = [place for place, size in enumerate(wanted) if not isinstance(size, int)]
    if len(multiples) > 1:
        raise Unsupported("it mixes the images of a batch")
    if not multiples and node.batch is not None:
        whole = _resolved(wanted, node.batch * math.prod(inputs.axes))
        return views.view(inputs, views.located(inputs, whole, node.batch))
    if not multiples:  # only −1 can hold a dynamic batch
        return views.view(inputs, [None if size == -1 else int(size) for size in wanted])  # type: ignore[arg-type]  # ints
    batch = wanted[multiples[0]]
    times = batch.times if isinstance(batch, Images) else views.merged(inputs)
    rest = _resolved([size if isinstance(size, int) else times for size in wanted], math.prod(inputs.axes))
    found = views.view(inputs, [None if place in multiples else size for place, size in enumerate(rest)])
    if views.merged(found) != times:
        raise Unsupported("it mixes the images of a batch")
    return found


def _resolved(wanted: "Sequence[int | Images | None]", whole: int) -> list[int]:
    """Return the sizes with −1 replaced by the remaining size."""
    sizes = [size for size in wanted if isinstance(size, int)]
    if len(sizes) != len(wanted) or sizes.count(-1) > 1:
        raise Unsupported("a shape that does not fit")
    rest = math.prod(size for size in sizes if size != -1)
    return [whole // rest if size == -1 and rest else size for size in sizes]


def _squeeze(node: Node) -> Expression:
    inputs, axes = node.value(), node.sizes(1)
    have = views.dims(inputs)
    if not axes or any(not -len(have) <= axis < len(have) or have[axis] != 1 for axis in axes):
        raise Unsupported("axes that do not fit")
    places = {axis % len(have) for axis in axes}
    return views.view(inputs, [size for place, size in enumerate(have) if place not in places])


def _unsqueeze(node: Node) -> Expression:
    inputs, axes = node.value(), node.sizes(1) or []
    have = views.dims(inputs)
    rank = len(have) + len(axes)
    places = {axis % rank for axis in axes if -rank <= axis < rank}
    if len(places) != len(axes) or not places:
        raise Unsupported("axes that do not fit")
    left = iter(have)
    return views.view(inputs, [1 if place in places else next(left) for place in range(rank)])


def _transpose(node: Node) -> Expression:
    inputs, order = node.value(), node.integers("perm")
    return views.reorder(inputs, list(range(len(views.dims(inputs))))[::-1] if order is None else order)


def _expand(node: Node) -> Expression:
    inputs, wanted = node.value(), node.extents(1)
    have = [*[1] * (len(wanted or ()) - len(views.dims(inputs))), *views.dims(inputs)]
    if not wanted or len(wanted) < len(have):
        raise Unsupported("to another shape")
    if not inputs.batched:
        if wanted[0] != _images(node, 1) or have[0] != 1 or wanted[0] == 1:
            return shapes.expand(inputs, _wider(have, wanted), batched=False)
        one = shapes.reshape(inputs, inputs.axes[1:]) if len(inputs.axes) == len(wanted) else inputs
        return shapes.expand(one, _wider(have[1:], wanted[1:]), batched=True)
    place = have.index(None)
    if wanted[place] not in (1, _images(node, views.merged(inputs))):
        raise Unsupported("it mixes the images of a batch")
    axes = [*have[:place], 1, *have[place + 1 :]]
    wider = _wider(axes, [*wanted[:place], 1, *wanted[place + 1 :]])
    if wider == axes:
        return inputs
    if inputs.batch != FRONT or place:
        raise Unsupported("it mixes the images of a batch")
    return shapes.expand(inputs, wider[1:], batched=True)


def _images(node: Node, times: int) -> "int | Images":
    """Return the size that is ``times`` the number of images."""
    return Images(times) if node.batch is None else times * node.batch


def _wider(have: Sequence[int | None], wanted: "Sequence[int | Images]") -> list[int]:
    """Return the sizes to which both are broadcast."""
    sizes = [size if to == 1 else to for size, to in zip(have, wanted, strict=True)]
    found = [size for size in sizes if isinstance(size, int)]
    if len(found) != len(sizes):
        raise Unsupported("it mixes the images of a batch")
    return found


def _tile(node: Node) -> Expression:
    inputs, times = node.value(), node.sizes(1)
    if times is None or inputs.batch != FRONT or times[:1] != [1]:
        raise Unsupported("it mixes the images of a batch")
    return shapes.tile(inputs, times[1:])


def _slice(node: Node) -> Expression:
    inputs, starts, ends, axes, steps = node.value(), *(node.sizes(place) for place in range(1, 5))
    if starts is None or ends is None or axes is None or not inputs.batched:
        raise Unsupported("axes that are not given")
    steps = steps or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise Unsupported("axes that do not fit")
    found = inputs
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        found = shapes.cut(found, shapes.axis_of(inputs, axis), start, end, step)
    return found


def _gather(node: Node) -> Expression:
    inputs, places = node.value(), node.array(1)
    axis = shapes.axis_of(inputs, node.integer("axis", 0))
    if not inputs.batched:
        raise Unsupported("of a constant")
    chosen = list(places.reshape(-1))
    if not places.ndim and isinstance(chosen[0], int):
        return shapes.pick(inputs, axis, chosen[0])
    return shapes.take(inputs, axis, chosen, places.shape)


def _gather_nd(node: Node) -> Expression:
    inputs, places = node.value(), node.array(1)
    node.require("batch_dims", 0)
    depth = places.shape[-1] if places.ndim else 0
    start, middle, end = inputs.batch or FRONT
    if not inputs.batched or not 0 < depth <= start:
        raise Unsupported("it mixes the images of a batch")
    size, rows = inputs.axes[:depth], places.reshape(-1, depth).tolist()
    if not all(isinstance(at, int) and -most <= at < most for row in rows for at, most in zip(row, size, strict=True)):
        raise Unsupported("places that are not there")
    axes = (math.prod(size), *inputs.axes[depth:])
    flat = shapes.reshape(inputs, axes, (start - depth + 1, middle - depth + 1, end - depth + 1))
    steps = [math.prod(size[axis + 1 :]) for axis in range(depth)]
    chosen = [sum(at % most * step for at, most, step in zip(row, size, steps, strict=True)) for row in rows]
    return shapes.take(flat, 0, chosen, places.shape[:-1])


def _depth_to_space(node: Node) -> Expression:
    inputs, block, how = node.value(), node.integer("blocksize", 0), node.text("mode", "DCR")
    if how != "CRD":
        raise Unsupported("of another order")
    return shapes.pixel_shuffle(inputs, block)


def _concat(node: Node) -> Expression:
    values = [node.value(place) for place in range(node.inputs)]
    if not values:
        raise Unsupported("of nothing")
    return shapes.concat(values, shapes.axis_of(values[0], node.integer("axis", 0)))


def _split(node: Node) -> list[Expression]:
    inputs, sizes, count = node.value(), node.sizes(1), node.integer("num_outputs", node.outputs)
    axis = shapes.axis_of(inputs, node.integer("axis", 0))
    if sizes is None:
        size = -(-inputs.axes[axis] // node.outputs)
        sizes = [size] * (node.outputs - 1)
        sizes.append(inputs.axes[axis] - sum(sizes))
    if count != node.outputs or len(sizes) != count or min(sizes) < 1 or sum(sizes) != inputs.axes[axis]:
        raise Unsupported("sizes that do not fit")
    ends = [sum(sizes[: place + 1]) for place in range(count)]
    return [shapes.cut(inputs, axis, end - size, end) for size, end in zip(sizes, ends, strict=True)]


def _size(_: Node) -> Expression:
    raise Unsupported("it computes with sizes that are not known")


def _pad(node: Node) -> Expression:
    inputs, sizes, value, axes = node.value(), node.sizes(1), node.number(2), node.sizes(3)
    rank, mode = len(inputs.axes) + 1, node.text("mode", "constant")
    if axes is not None or sizes is None or len(sizes) != 2 * rank:
        raise Unsupported("axes that do not fit")
    if sizes[0] or sizes[rank]:
        raise Unsupported("it mixes the images of a batch")
    return shapes.pad(inputs, [*sizes[1:rank], *sizes[rank + 1 :]], value or 0.0, mode)


SHAPES: Mapping[str, Operator] = {
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Slice": _slice,
    "Gather": _gather,
    "GatherND": _gather_nd,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Tile": _tile,
    **dict.fromkeys(("Shape", "Range"), _size),
    "Concat": _concat,
    "Split": _split,
    "Pad": _pad,
}
