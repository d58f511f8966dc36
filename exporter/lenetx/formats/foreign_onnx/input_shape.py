"""Read the shape of an image from the axes of an input."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from lenetx_runtime.errors import InputError
from lenetx_runtime.files import read_bytes

from ...models.architecture import Shape
from ...models.foreign import as_input_shape
from .contract import axes_of_value
from .read import parse

__all__ = ["input_shape_in", "shape_of"]


def input_shape_in(path: Path) -> Shape | None:
    """Return the input shape (channels, height, width) that an ONNX file states, ``None`` if it is ambiguous.

    Raises:
        InputError: the file is missing.
        ArtifactError: it is no ONNX model.
    """
    graph = parse(read_bytes(path, "model")).graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    return shape_of(axes_of_value(inputs[0])) if len(inputs) == 1 else None


def shape_of(axes: Sequence[object] | None) -> Shape | None:
    """Return (channels, height, width) for the axes [N, C, H, W], [N, H, W, C] or [N, H, W]; ``None`` for others.

    Args:
        axes: sizes; anything but a positive number is unknown.
    """
    sizes = [size for size in (axes or ())[1:] if isinstance(size, int) and size > 0]
    if axes is None or len(sizes) != len(axes) - 1:
        return None
    if len(sizes) == 2:
        return 1, sizes[0], sizes[1]
    with contextlib.suppress(InputError):
        return as_input_shape(tuple(sizes), "The input")[0]
    return None
