"""Arrange float32[N, C, H, W] inputs as an ONNX file takes them, and its outputs as rows of logits."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DEFAULT_LAYOUT", "LAYOUTS", "arrange", "axes_of", "is_row"]

Array: TypeAlias = "NDArray[Any]"

DEFAULT_LAYOUT = "nchw"
LAYOUTS = (DEFAULT_LAYOUT, "nhwc", "flat", "nhw")
"""The axes of an input: the default; channels last; [N, C·H·W]; and [N, H, W], for one channel only."""


def axes_of(layout: str, shape: Sequence[int]) -> list[int]:
    """Return the axes of one input, without the batch axis.

    Args:
        layout: one of ``LAYOUTS``.
        shape: (channels, height, width).
    """
    channels, height, width = shape
    return {
        DEFAULT_LAYOUT: [channels, height, width],
        "nhwc": [height, width, channels],
        "flat": [channels * height * width],
        "nhw": [height, width],
    }[layout]


def arrange(layout: str) -> Callable[[Array], Array] | None:
    """Return the function that arranges float32[N, C, H, W] for an engine, or ``None`` for the default layout."""
    return _ARRANGED.get(layout)


def is_row(axes: Sequence[object], classes: int) -> bool:
    """Return whether the axes of one output are those of its logits, apart from axes of size 1."""
    return [size for size in axes if size != 1] == [classes]


def _channels_last(batch: Array) -> Array:
    return batch.transpose(0, 2, 3, 1).copy()  # engines want contiguous memory


_ARRANGED: Mapping[str, Callable[[Array], Array]] = {
    "nhwc": _channels_last,
    "flat": lambda batch: batch.reshape(len(batch), prod(batch.shape[1:])),  # −1 fails for an empty batch
    "nhw": lambda batch: batch.reshape(len(batch), *batch.shape[2:]),
}
