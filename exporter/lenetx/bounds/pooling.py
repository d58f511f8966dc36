"""Bound max-pooling: it is exact, but float32 may pick another number of a window as the maximum.

Numbers of a window that tie exactly in float64 come from equal numbers and need no special case. A number that is below
the maximum by no more than the errors of both also gets the gradient.
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

    def carry(self, step: "Step", noise: "Tensor", errors: "Mapping[int, Tensor]", /) -> "Tensor | None":
        kernel, stride, _, dilation = _geometry(step)
        if any(_reach(kernel[axis], dilation[axis]) > stride[axis] for axis in (0, 1)):
            return None  # a number in two windows gets the sum of their gradients
        chosen = step.results[1]
        carried = noise.flatten(2).gather(2, chosen.flatten(2)).view(chosen.shape)
        if 0 in errors:
            windows, numbers = _runners_up(step, errors[0])
            carried.view(-1).index_add_(0, windows, noise.flatten()[numbers])
        return carried

    def pull_back(self, step: "Step", gradient: "Tensor", errors: "Mapping[int, Tensor]", /) -> "Mapping[int, Tensor]":
        found = _route(gradient, step.leaves[0], step.results[1])
        if 0 in errors:
            windows, numbers = _runners_up(step, errors[0])
            found.view(len(found), -1).index_add_(1, numbers, gradient.flatten(1)[:, windows])
        return {0: found}


def _route(gradient: "Tensor", inputs: "Tensor", chosen: "Tensor") -> "Tensor":
    """Route each window's gradient to the number that was chosen as its maximum."""
    count, batch = gradient.shape[:2]
    planes = inputs.new_zeros(count, batch, inputs.shape[1], inputs[0, 0].numel())
    places = chosen.flatten(2).expand(count, *chosen.shape[:2], -1)
    planes.scatter_add_(3, places, gradient.flatten(3))
    return planes.view(count, *inputs.shape)


def _runners_up(step: "Step", error: "Tensor") -> "tuple[Tensor, Tensor]":
    """Return the windows where float32 may pick the largest number below the maximum instead, and those numbers.

    Both are int64[F]: indices into the flattened output and input. They are computed once and kept in the step.
    """
    if "runners-up" not in step.computed:
        step.computed["runners-up"] = _search(step, error)
    found: tuple[Tensor, Tensor] = step.computed["runners-up"]
    return found


def _search(step: "Step", error: "Tensor") -> "tuple[Tensor, Tensor]":
    import torch

    inputs, output = step.leaves[0], step.results[0]
    plane = inputs.shape[2:].numel()
    values = _windows(step, inputs, float("-inf"))
    gap = output[..., None, None] - values
    most = 2 * error.amax((2, 3))[..., None, None, None, None]  # at least the errors of any two numbers of the plane
    close = ((gap > 0) & (gap <= most)).any(4).any(4)  # few windows: only these are searched
    windows = close.flatten().nonzero().squeeze(1)
    indices = torch.arange(plane, device=inputs.device).view(1, 1, *inputs.shape[2:]).expand(inputs.shape)
    values, slack, indices = (
        each[close].flatten(1) for each in (values, _windows(step, error, 0), _windows(step, indices, 0))
    )
    top = output[close].unsqueeze(1)
    runner, place = torch.where(values < top, values, float("-inf")).max(1, keepdim=True)
    margin = torch.where(values == top, slack, 0.0).amax(1, keepdim=True) + slack.gather(1, place)
    near = ((top - runner <= margin) & runner.isfinite()).squeeze(1)
    numbers = windows // output.shape[2:].numel() * plane + indices.gather(1, place).squeeze(1)
    return windows[near], numbers[near]


def _windows(step: "Step", values: "Tensor", fill: float) -> "Tensor":
    """Return the numbers of each window, [N, C, rows, columns, kernel rows, kernel columns], as a view if possible."""
    from torch.nn import functional

    kernel, stride, padding, dilation = _geometry(step)
    counts = step.results[0].shape[2:]
    frame: list[int] = []
    for axis in (1, 0):
        end = (counts[axis] - 1) * stride[axis] + _reach(kernel[axis], dilation[axis])
        beyond = max(0, end - values.shape[2 + axis] - padding[axis])  # as ceil_mode allows
        frame += padding[axis], beyond
    found = functional.pad(values, frame, value=fill) if any(frame) else values
    for axis in (0, 1):
        found = found.unfold(2 + axis, _reach(kernel[axis], dilation[axis]), stride[axis])
    return found[:, :, : counts[0], : counts[1], :: dilation[0], :: dilation[1]]


def _reach(kernel: int, dilation: int) -> int:
    """Return the length of a window, from its first number to its last."""
    return dilation * (kernel - 1) + 1


def _geometry(step: "Step") -> "tuple[list[int], ...]":
    """Return kernel, stride, padding and dilation, each for rows and columns; they are kept in the step."""
    if "geometry" not in step.computed:
        names = ("kernel_size", "stride", "padding", "dilation")
        kernel, stride, *others = (_pair(step.argument(name)) for name in names)
        step.computed["geometry"] = kernel, stride or kernel, *others
    found: tuple[list[int], ...] = step.computed["geometry"]
    return found


def _pair(values: object) -> "list[int]":
    found = [int(each) for each in values] if isinstance(values, list | tuple) else [int(values)]  # type: ignore[call-overload]
    return found * 2 if len(found) == 1 else found


OPERATORS = {"max_pool2d_with_indices": _MaxPool()}
