"""Layers with weights: dense ones, convolutions and norms."""

from collections.abc import Sequence

from .expression import Expression, Strange, make, single
from .shapes import transpose

__all__ = ["batch_norm", "convolution", "layer_norm", "linear"]


def linear(inputs: Expression, matrix: Expression, bias: Expression | None = None) -> Expression:
    """Make a dense layer.

    Args:
        inputs: [N, …, in].
        matrix: [in, out], turned round from what the network has where that is [out, in].
        bias: [out].
    """
    _require(inputs.batched and not matrix.batched, "a product of two values")
    _require(len(matrix.axes) == 2 and inputs.axes[-1:] == matrix.axes[:1], "a matrix that does not fit")
    outputs = matrix.axes[1]
    _require_vectors(outputs, bias)
    weights = [transpose(matrix, (1, 0)), *([bias] if bias else [])]
    return make("linear", [inputs, *weights], (*inputs.axes[:-1], outputs))


def convolution(
    inputs: Expression,
    weight: Expression,
    bias: Expression | None,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int,
) -> Expression:
    """Make a convolution.

    Args:
        inputs: [N, in, …]; zeros around them become pads.
        weight: [out, in / groups, …].
        bias: [out].
        strides: of each axis.
        pads: before each axis, then behind each.
        dilations: of each axis.
        groups: of channels.
    """
    _require(inputs.batched and not weight.batched, "weights that depend on the input")
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
    """Take a frame of zeros around the pixels for pads of the convolution itself."""
    if inputs.operator != "pad" or inputs.attributes["value"] != 0:
        return inputs, pads
    around = inputs.attributes["pads"]
    half = len(around) // 2
    if around[0] or around[half]:
        return inputs, pads
    spatial = [*around[1:half], *around[half + 1 :]]
    return inputs.arguments[0], [mine + more for mine, more in zip(pads, spatial, strict=True)]


def batch_norm(inputs: Expression, parameters: Sequence[Expression | None], epsilon: float) -> Expression:
    """Make a batch norm in eval mode, with weight, bias, mean and variance, each [channels]."""
    given = [each for each in parameters if each is not None]
    _require(inputs.batched and len(given) == 4, "no weights of its own")
    _require_vectors(inputs.axes[0], *given)
    return make("batch_norm", [inputs, *given], inputs.axes, epsilon=single(epsilon))


def layer_norm(
    inputs: Expression, weight: Expression | None, bias: Expression | None, axes: int, epsilon: float
) -> Expression:
    """Make a norm over the last ``axes`` axes, with weight and bias of their shape."""
    _require(inputs.batched and 0 < axes <= len(inputs.axes), "axes that do not fit")
    if weight is None or bias is None:
        raise Strange("no weights of its own")
    _require(weight.axes == bias.axes == inputs.axes[-axes:], "weights that do not fit")
    return make("layer_norm", [inputs, weight, bias], inputs.axes, axes=axes, epsilon=single(epsilon))


def _require_vectors(size: int, *vectors: Expression | None) -> None:
    for vector in vectors:
        fits = vector is None or (not vector.batched and vector.axes == (size,))
        _require(fits, "weights that do not fit")


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Strange(otherwise)
