"""Frame the images of a call; images that are frames already take microseconds. Importing this loads numpy."""

import math
import os
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from ..errors import InputError
from ..limits import DEFAULT_LIMITS, Limits
from ..spec import MNIST_SIDE, ModelSpec
from .decode import Image, decode
from .framing import CLEAN_BACKGROUND, CORNERS, LIGHT, are_frames, frame, keeps_frames, require_known

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Framer"]

_UINT8 = np.dtype(np.uint8)
_shape_of, _dtype_of = attrgetter("shape"), attrgetter("dtype")
_CORNER = CORNERS[0]
_BORDER = 4 * (MNIST_SIDE - 1)
_DARK = bytes(level < CLEAN_BACKGROUND for level in range(256))
"""1 for each dark level, for ``bytes.translate``."""


class Framer:
    """Make the frames for one model."""

    def __init__(self, spec: ModelSpec, limits: Limits = DEFAULT_LIMITS) -> None:
        self._spec, self._limits = spec, limits
        self._is_mnist = spec.framing == "mnist"
        self._keeps = keeps_frames(spec)
        self._is_allowed = self._keeps and math.prod(spec.frame_size) <= limits.image_pixels
        self._shape = spec.frame_shape
        require_known(spec)

    def one(self, image: Image) -> "NDArray[np.uint8]":
        """Return uint8[1, h, w] or uint8[1, h, w, 3] for an image of any kind that ``decode`` accepts.

        Raises:
            InputError: it cannot be used.
        """
        return self._frame(image)[None]

    def several(self, images: Sequence[Image], first: int) -> "tuple[NDArray[np.uint8], InputError | None]":
        """Return uint8[n, h, w] or uint8[n, h, w, 3] frames of the images before the first unusable one, and its error.

        Args:
            images: a list, or an array of images: uint8[n, …] frames, or any others.
            first: position of the first image; an error names an image without a path by its position.
        """
        stacked = self._stacked(images)
        todo: Iterable[int]
        if stacked is None:
            frames, todo = np.empty((len(images), *self._shape), np.uint8), range(len(images))
        else:
            ready = are_frames(stacked) if self._is_mnist else np.ones(len(stacked), np.bool_)
            if ready.all():
                return stacked, None
            frames, todo = stacked.copy(), np.flatnonzero(~ready).tolist()
        for row in todo:
            image = images[row]
            try:
                frames[row] = self._frame(image)
            except InputError as error:
                return frames[:row], _named(error, image, first + row)
        return frames, None

    def have_size(self, images: Any) -> bool:
        """Return whether all images are arrays of the frames' size, which are not to be resized."""
        if type(images) is np.ndarray:
            return self._is_allowed and images.dtype == _UINT8 and images.shape[1:] == self._shape
        return isinstance(images, list | tuple) and self._have_shape(images)

    def _frame(self, image: Image) -> "NDArray[np.uint8]":
        levels = image if self._has_shape(image) else decode(image, self._spec.channels, self._limits)
        if self._keeps and levels.shape == self._shape and (not self._is_mnist or is_frame(levels)):
            return levels
        return frame(levels, self._spec)

    def _stacked(self, images: Sequence[Image]) -> "NDArray[np.uint8] | None":
        if not self.have_size(images):
            return None
        if isinstance(images, np.ndarray):
            return images
        return np.frombuffer(_joined(images), np.uint8).reshape(len(images), *self._shape)

    def _have_shape(self, images: Sequence[Any]) -> bool:
        """Return whether ``_has_shape`` holds for all images, in half the time of a loop over it."""
        count = len(images)
        if not self._is_allowed or not count or list(map(type, images)).count(np.ndarray) != count:
            return False
        return [*map(_shape_of, images)].count(self._shape) == count == [*map(_dtype_of, images)].count(_UINT8)

    def _has_shape(self, image: Any) -> "TypeGuard[NDArray[np.uint8]]":
        return self._is_allowed and type(image) is np.ndarray and image.dtype.char == "B" and image.shape == self._shape


def is_frame(image: "NDArray[np.uint8]") -> bool:
    """Return for one uint8[28, 28] what ``lenetx_runtime.preprocess.framing.are_frames`` returns for many."""
    raw = image.tobytes()
    border = raw[:MNIST_SIDE] + raw[-MNIST_SIDE:] + raw[MNIST_SIDE:-MNIST_SIDE:MNIST_SIDE]
    border += raw[2 * MNIST_SIDE - 1 : -MNIST_SIDE : MNIST_SIDE]
    if raw.isascii() or border.translate(_DARK).count(1) * 2 <= _BORDER:  # isascii: no pixel is 128 or lighter
        return False
    return raw[_CORNER] < LIGHT or min([raw[corner] for corner in CORNERS]) < LIGHT


def _joined(arrays: "Sequence[Any]") -> bytes:
    try:
        return b"".join(arrays)
    except (BufferError, TypeError, ValueError):  # one is not contiguous
        return b"".join([array.tobytes() for array in arrays])


def _named(error: InputError, image: Image, position: int) -> InputError:
    name = f"'{image}'" if isinstance(image, str | os.PathLike) else f"Image {position}"
    text = str(error)
    return InputError(text if name in text else f"{name}: {text}")
