"""From frames to the network's input, by a table of 256 values per channel: the same bits wherever it is used."""

from typing import TYPE_CHECKING

from ..spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["lookup_table", "normalise", "planes"]


def lookup_table(spec: ModelSpec) -> "NDArray[np.float32]":
    """Give float32[C, 256]: the input value of every level of a channel, computed in float64 and rounded once."""
    import numpy as np

    scaled = np.arange(256, dtype=np.float64) * spec.scale
    mean, std = (np.array(values, np.float64)[:, None] for values in (spec.mean, spec.std))
    return ((scaled - mean) / std).astype(np.float32)


def planes(frames: "NDArray[np.uint8]", spec: ModelSpec) -> "NDArray[np.uint8]":
    """Give uint8[N, C, H, W] of the network's size: the frames with their channels in front and black on every side.

    Args:
        frames: uint8[N, h, w] for one channel, uint8[N, h, w, 3] for three.
        spec: of the network.
    """
    import numpy as np

    padded = np.zeros((len(frames), *spec.input_shape), np.uint8)
    (height, width), start = spec.frame_size, spec.padding
    inner = padded[:, :, start : start + height, start : start + width]
    inner[...] = frames[:, None] if spec.channels == 1 else frames.transpose(0, 3, 1, 2)
    return padded


def normalise(frames: "NDArray[np.uint8]", spec: ModelSpec) -> "NDArray[np.float32]":
    """Give the network's float32[N, C, H, W] input for frames, given as :func:`planes` takes them."""
    import numpy as np

    levels = planes(frames, spec)
    inputs = np.empty(levels.shape, np.float32)
    for channel, table in enumerate(lookup_table(spec)):
        np.take(table, levels[:, channel], out=inputs[:, channel], mode="clip")  # numpy buffers out in other modes
    return inputs
