"""Convert frames to the network's input by a table of 256 values per channel: the same bits wherever it is used."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Normaliser", "input_of", "lookup_table", "normalise", "planes", "preparing"]

_AT_ONCE = 64
"""Maximum frames looked up at a time, to limit memory."""


def lookup_table(spec: ModelSpec) -> "NDArray[np.float32]":
    """Return float32[C, 256]: the input value of every level per channel, computed in float64 and rounded once."""
    import numpy as np

    scaled = np.arange(256, dtype=np.float64) * spec.scale
    mean, std = (np.array(values, np.float64)[:, None] for values in (spec.mean, spec.std))
    with np.errstate(all="ignore"):  # tiny values become 0
        return ((scaled - mean) / std).astype(np.float32)


def planes(frames: "NDArray[np.uint8]", spec: ModelSpec) -> "NDArray[np.uint8]":
    """Return uint8[N, C, H, W] of the network's input size: the frames, channels first, with black on every side.

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
    """Return the network's float32[N, C, H, W] input for frames as ``planes`` takes them."""
    return Normaliser(spec).inputs(frames)


def input_of(frames: "NDArray[np.uint8]", spec: ModelSpec) -> "NDArray[Any]":
    """Return what a model takes for frames as ``planes`` takes them: themselves if its graph normalises them."""
    return preparing(spec).inputs(frames)


def preparing(spec: ModelSpec) -> "Normaliser | Unchanged":
    """Return what turns frames into a model's inputs."""
    return Unchanged() if spec.raw_input else Normaliser(spec)


class Unchanged:
    """Pass frames on to a model that normalises them itself."""

    def inputs(self, frames: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
        """Return the frames."""
        return frames

    def parts(self, frames: "NDArray[np.uint8]", size: int) -> "Iterator[NDArray[np.uint8]]":
        """Yield ``size`` frames at a time."""
        for start in range(0, len(frames), size):
            yield frames[start : start + size]


class Normaliser:
    """Apply ``normalise`` for one spec; what does not depend on the frames is computed once.

    The channels' tables are joined into one, so that a single gather makes all channels.

    Args:
        spec: of the network.
    """

    def __init__(self, spec: ModelSpec) -> None:
        import numpy as np

        self._table = lookup_table(spec).reshape(-1)
        self._first = np.arange(spec.channels, dtype=np.intp)[:, None, None] * 256
        self._black = np.broadcast_to(self._first, (1, *spec.input_shape)).copy()
        (height, width), start = spec.frame_size, spec.padding
        self._inner = ..., slice(start, start + height), slice(start, start + width)

    def inputs(self, frames: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        """Return float32[N, C, H, W] for uint8[N, h, w] or uint8[N, h, w, 3]."""
        import numpy as np

        if len(frames) == 1:
            return self._gathered(frames, self._black.copy())
        places = self._black.repeat(min(_AT_ONCE, len(frames)), axis=0)
        return self._filled(frames, places, np.empty((len(frames), *self._black.shape[1:]), np.float32))

    def parts(self, frames: "NDArray[np.uint8]", size: int) -> "Iterator[NDArray[np.float32]]":
        """Yield ``inputs`` of ``size`` frames at a time, all in the same memory: use each before taking the next.

        It is allocated once: clearing new pages for every part would cost as much as the look-up.
        """
        import numpy as np

        places = self._black.repeat(min(_AT_ONCE, size, len(frames)), axis=0)
        inputs = np.empty((min(size, len(frames)), *self._black.shape[1:]), np.float32)
        for start in range(0, len(frames), size):
            some = frames[start : start + size]
            yield self._filled(some, places, inputs[: len(some)])

    def _filled(
        self, frames: "NDArray[np.uint8]", places: "NDArray[np.intp]", inputs: "NDArray[np.float32]"
    ) -> "NDArray[np.float32]":
        for start in range(0, len(frames), len(places) or 1):
            some = frames[start : start + len(places)]
            self._gathered(some, places[: len(some)], inputs[start : start + len(some)])
        return inputs

    def _gathered(
        self, frames: "NDArray[np.uint8]", places: "NDArray[np.intp]", out: "NDArray[np.float32] | None" = None
    ) -> "NDArray[np.float32]":
        """Look up levels; ``places`` holds the indices of black."""
        import numpy as np

        if frames.ndim == 3:
            places[self._inner] = frames[:, None]
        else:
            np.add(frames.transpose(0, 3, 1, 2), self._first, out=places[self._inner])
        gathered: NDArray[np.float32] = self._table.take(places, mode="clip", out=out)
        return gathered
