"""From frames to the network's input, by a table of 256 values: the same bits on every side that uses it."""

from typing import TYPE_CHECKING

from ..spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["lookup_table", "normalise", "pad"]


def lookup_table(spec: ModelSpec) -> "NDArray[np.float32]":
    """Give float32[256]: the input value of every grey level, computed in float64 and rounded once."""
    import numpy as np

    levels = np.arange(256, dtype=np.float64)
    return ((levels * spec.scale - spec.mean[0]) / spec.std[0]).astype(np.float32)


def pad(frames: "NDArray[np.uint8]", spec: ModelSpec) -> "NDArray[np.uint8]":
    """Give uint8[N, H, W] of the network's size: uint8[N, h, w] frames with background on every side."""
    import numpy as np

    width = spec.padding
    return np.pad(frames, ((0, 0), (width, width), (width, width))) if width else frames


def normalise(frames: "NDArray[np.uint8]", spec: ModelSpec) -> "NDArray[np.float32]":
    """Give the network's float32[N, 1, H, W] input for uint8[N, h, w] frames."""
    import numpy as np

    return np.take(lookup_table(spec), pad(frames, spec))[:, None]
