"""Bounds for max-pooling: it is exact, but float32 may pick another number of a window as the maximum.

Numbers of a window that tie exactly in float64 come from equal numbers and are no kink. A number that is below the
maximum by no more than the errors of both gets the gradient too.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ..graph.tape import Step

__all__ = ["OPERATORS"]


class _MaxPool:
    def worst(self, step: "Step", errors: "Mapping[int, Tensor]", /) -> "Tensor":
        import torch

        error = errors.get(0)
        if error is None:
            return torch.zeros_like(step.results[0])
        return step.rerun({0: error})[0]

    def noise(self, _: "Step", /) -> None:
        return None

    def pull_back(self, step: "Step", gradient: "Tensor", errors: "Mapping[int, Tensor]", /) -> "Mapping[int, Tensor]":
        inputs = step.leaves[0]
        chosen = step.results[1]
        found = _route(gradient, inputs, chosen)
        second, near = _runners_up(step, inputs, errors.get(0))
        if near is not None and bool(near.any()):
            _add_few(found, gradient, second, near)
        return {0: found}


def _route(gradient: "Tensor", inputs: "Tensor", chosen: "Tensor") -> "Tensor":
    """Route each window's gradient to the number that was chosen as its maximum."""
    count, batch = gradient.shape[:2]
    planes = inputs.new_zeros(count, batch, inputs.shape[1], inputs[0, 0].numel())
    places = chosen.flatten(2).expand(count, *chosen.shape[:2], -1)
    planes.scatter_add_(3, places, gradient.flatten(3))
    return planes.view(count, *inputs.shape)


def _add_few(found: "Tensor", gradient: "Tensor", chosen: "Tensor", few: "Tensor") -> None:
    """Add the gradients of a few windows to another number of each, in place."""
    import torch

    planes = torch.arange(found[0, :, :, 0, 0].numel()).view(*found.shape[1:3], 1, 1) * found[0, 0, 0].numel()
    targets = (planes + chosen)[few]
    found.view(len(found), -1).index_add_(1, targets, gradient.flatten(1)[:, few.flatten()])


def _runners_up(step: "Step", inputs: "Tensor", error: "Tensor | None") -> "tuple[Tensor, Tensor | None]":
    """Return the index of the largest number below each window's maximum, and whether float32 may pick it instead."""
    import torch
    from torch.nn import functional

    output = step.results[0]
    if error is None:
        return output, None
    kernel, stride, padding, dilation = (
        _pair(step.argument(name)) for name in ("kernel_size", "stride", "padding", "dilation")
    )
    stride = stride or kernel
    height, width = inputs.shape[2:]
    rows, columns = output.shape[2:]
    # With ceil_mode, windows reach beyond the edge: −inf stands there, which is never chosen.
    bottom = max(0, (rows - 1) * stride[0] + dilation[0] * (kernel[0] - 1) + 1 - height - padding[0])
    right = max(0, (columns - 1) * stride[1] + dilation[1] * (kernel[1] - 1) + 1 - width - padding[1])
    frame = (padding[1], right, padding[0], bottom)

    def windows(values: "Tensor", fill: float) -> "Tensor":
        padded = functional.pad(values, frame, value=fill)
        span = padded
        for axis in (0, 1):
            reach = dilation[axis] * (kernel[axis] - 1) + 1
            span = span.unfold(2 + axis, reach, stride[axis])
        span = span[..., :: dilation[0], :: dilation[1]]
        return span[:, :, :rows, :columns].flatten(4)

    values, slack = windows(inputs, float("-inf")), windows(error, 0.0)
    below = torch.where(values < output.unsqueeze(-1), values, float("-inf"))
    runner, place = below.max(-1)
    top = torch.where(values == output.unsqueeze(-1), slack, 0.0).amax(-1)
    near = output - runner <= top + slack.gather(-1, place.unsqueeze(-1)).squeeze(-1)
    numbers = torch.arange(height * width, dtype=inputs.dtype, device=inputs.device).view(1, 1, height, width)
    places = windows(numbers.expand(1, 1, height, width), 0.0).long()
    second = places.expand(*values.shape[:2], *places.shape[2:]).gather(-1, place.unsqueeze(-1)).squeeze(-1)
    return second, near & torch.isfinite(runner)


def _pair(values: object) -> "list[int]":
    found = [int(each) for each in values] if isinstance(values, list | tuple) else [int(values)]  # type: ignore[call-overload]
    return found * 2 if len(found) == 1 else found


OPERATORS = {"max_pool2d_with_indices": _MaxPool()}
