"""Read ONNX's layers, pooling and resizing into canonical form."""

import math
from collections.abc import Callable, Mapping, Sequence

from . import arithmetic, windows
from . import layer_forms as layers
from .batch_multiple import Images
from .expression import FRONT, Expression, Unsupported
from .onnx_node import Node
from .shapes import axis_of, transpose
from .views import dims, reorder

__all__ = ["LAYERS"]

Operator = Callable[[Node], Expression]


def _convolution(node: Node) -> Expression:
    inputs, weight = node.value(0), node.value(1)
    kernel = list(weight.axes[2:])
    if (node.integers("kernel_shape") or kernel) != kernel:
        raise Unsupported("its kernel is not that of its weights")
    strides, dilations = _spread(node, "strides", kernel), _spread(node, "dilations", kernel)
    pads = _pads(node, inputs, kernel, strides, dilations)
    return layers.convolution(inputs, weight, node.optional(2), strides, pads, dilations, node.integer("group", 1))


def _gemm(node: Node) -> Expression:
    node.require("alpha", 1.0)
    node.require("beta", 1.0)
    node.require("transA", 0)
    matrix = node.value(1)
    if node.integer("transB", 0):
        matrix = transpose(matrix, (1, 0))
    inputs = node.value(0)
    if len(dims(inputs)) != 2:
        raise Unsupported("its input is no matrix")
    return layers.linear(inputs, matrix, node.optional(2))


def _matmul(node: Node) -> Expression:
    return layers.matmul(node.value(0), node.value(1))


def _einsum(node: Node) -> Expression:
    """Read an einsum that is a matrix product over the last axes of two values."""
    if node.inputs != 2:
        raise Unsupported("of another number of values")
    terms, _, result = node.text("equation", "").replace(" ", "").partition("->")
    left, _, right = terms.partition(",")
    values = node.value(0), node.value(1)
    lead = "" if values[1].batch is None else left[:-2]
    return _contracted(values, left, right, result, lead)


def _contracted(values: tuple[Expression, Expression], left: str, right: str, result: str, lead: str) -> Expression:
    """Build the matrix product of two values whose axes have letters."""
    one, other = values
    if len(set(left)) != len(left) or len(set(right)) != len(right) or len(right) != len(lead) + 2:
        raise Unsupported("axes that do not fit")
    shared = left[-1]
    rows, columns = left[:-1], next((letter for letter in right[len(lead) :] if letter != shared), "")
    fits = right.startswith(lead) and shared in right[len(lead) :] and columns not in left
    if not left.isalpha() or not right.isalpha() or not fits or result != rows + columns:
        raise Unsupported("axes that do not fit")
    if right[-1] == shared:  # both values have the contracted axis last
        last = len(right) - 1
        other = reorder(other, [*range(last - 1), last, last - 1])
    return layers.matmul(one, other)


def _instance_norm(node: Node) -> Expression:
    inputs, epsilon = node.value(0), node.fraction("epsilon", 1e-5)
    if inputs.batch != FRONT:
        raise Unsupported("it mixes the images of a batch")
    own = [
        None if value.operator != "weight" and node.filled(place) == idle else value
        for place, value, idle in ((1, node.value(1), 1), (2, node.value(2), 0))
    ]
    return arithmetic.per_channel(layers.standardised(inputs, 1, epsilon), *own)


def _group_norm(node: Node) -> Expression:
    node.require("stash_type", 1)
    groups, epsilon = node.integer("num_groups", 0), node.fraction("epsilon", 1e-5)
    return arithmetic.group_norm(node.value(0), node.value(1), node.value(2), groups, epsilon)


def _resize(node: Node) -> Expression:
    inputs, scales, wanted = node.value(0), node.floats(2), node.extents(3)
    mode, how = node.text("mode", "nearest"), node.text("coordinate_transformation_mode", "half_pixel")
    rounding = node.text("nearest_mode", "round_prefer_floor")
    if node.text("keep_aspect_ratio_policy", "stretch") != "stretch" or (mode == "nearest" and rounding != "floor"):
        raise Unsupported("another way of rounding")
    node.require("cubic_coeff_a", -0.75)
    if wanted is not None and not scales and len(wanted) == len(inputs.axes) + 1:
        whole = Images(1) if node.batch is None else node.batch
        if wanted[0] != whole or wanted[1] != inputs.axes[0]:
            raise Unsupported("it mixes the images of a batch")
        sizes = [size for size in wanted[2:] if isinstance(size, int)]
        return windows.resize(inputs, mode, how, sizes, [None] * len(sizes))
    if wanted is not None or len(scales) != len(inputs.axes) + 1 or scales[:2] != [1, 1]:
        raise Unsupported("axes that do not fit")
    sizes = [math.floor(size * scale) for size, scale in zip(inputs.axes[1:], scales[2:], strict=True)]
    return windows.resize(inputs, mode, how, sizes, scales[2:])


def _batch_norm(node: Node) -> Expression:
    if node.integer("training_mode", 0):
        raise Unsupported("in training mode")
    node.fraction("momentum", 0.9)
    return layers.batch_norm(
        node.value(0), [node.value(place) for place in range(1, 5)], node.fraction("epsilon", 1e-5)
    )


def _layer_norm(node: Node) -> Expression:
    node.require("stash_type", 1)
    inputs = node.value(0)
    axes = len(inputs.axes) - axis_of(inputs, node.integer("axis", -1))
    return layers.layer_norm(inputs, node.value(1), node.optional(2), axes, node.fraction("epsilon", 1e-5))


def _max_pool(node: Node) -> Expression:
    node.integer("storage_order", 0)  # affects only the indices, its second output
    inputs, kernel = node.value(0), node.integers("kernel_shape") or []
    strides, dilations = _spread(node, "strides", kernel), _spread(node, "dilations", kernel)
    pads = _pads(node, inputs, kernel, strides, dilations)
    return windows.max_pool(inputs, kernel, strides, pads, dilations, bool(node.integer("ceil_mode", 0)))


def _average_pool(node: Node) -> Expression:
    inputs, kernel = node.value(0), node.integers("kernel_shape") or []
    strides, dilations = _spread(node, "strides", kernel), _spread(node, "dilations", kernel)
    if set(dilations) - {1}:
        raise Unsupported("with dilations")
    pads = _pads(node, inputs, kernel, strides, dilations)
    ceil, include = node.integer("ceil_mode", 0), node.integer("count_include_pad", 0)
    return windows.average_pool(inputs, kernel, strides, pads, bool(ceil), bool(include))


def _global_average(node: Node) -> Expression:
    inputs = node.value(0)
    return arithmetic.reduce("mean", inputs, range(1, len(inputs.axes)), keep=True)


def _spread(node: Node, name: str, kernel: Sequence[int]) -> list[int]:
    return node.integers(name) or [1] * len(kernel)


def _pads(
    node: Node, inputs: Expression, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    given, how = node.integers("pads"), node.text("auto_pad", "NOTSET")
    if how == "NOTSET":
        return given or [0, 0] * len(kernel)
    spatial = inputs.axes[1:]
    if given or how not in ("VALID", "SAME_UPPER", "SAME_LOWER") or min(strides, default=0) < 1:
        raise Unsupported("pads that are not known")
    if how == "VALID" or not len(spatial) == len(kernel) == len(strides) == len(dilations):
        return [0, 0] * len(kernel)
    less, more = [], []
    for size, width, stride, dilation in zip(spatial, kernel, strides, dilations, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + dilation * (width - 1) + 1 - size)
        less.append(total // 2)
        more.append(total - total // 2)
    return [*less, *more] if how == "SAME_UPPER" else [*more, *less]


LAYERS: Mapping[str, Operator] = {
    "Conv": _convolution,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Einsum": _einsum,
    "InstanceNormalization": _instance_norm,
    "GroupNormalization": _group_norm,
    "Resize": _resize,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average,
}
