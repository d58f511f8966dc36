"""Turn an image of any size into a frame.

``mnist`` finds the ink of a digit, ``stretch`` fills the frame and ``letterbox`` keeps the aspect ratio.
"""

from typing import TYPE_CHECKING

from ...errors import InputError
from ...spec import MNIST_SIDE as SIDE
from ...spec import UNKNOWN, ModelSpec
from ..decode import decode
from .resize import borders, resize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CLEAN_BACKGROUND", "CORNERS", "LIGHT", "are_frames", "frame", "frame_batch", "require_known"]

CLEAN_BACKGROUND = 16
"""A 28×28 image is already a frame if more than half of its border is darker than this, …"""
LIGHT = 128
"""… at least one pixel is this light (otherwise it is a mask of 0 and 1, or faint), …"""
CORNERS = [row * SIDE + column for row in (4, SIDE - 5) for column in (4, SIDE - 5)]
"""… and one of these four pixels, which are dark in all of MNIST, is darker than that."""


def frame(levels: "NDArray[np.uint8]", spec: ModelSpec) -> "NDArray[np.uint8]":
    """Return the uint8[h, w] or uint8[h, w, 3] frame, h × w being ``spec.frame_size``, of one image.

    Args:
        levels: uint8[H, W] or uint8[H, W, 3], as ``decode`` returns it for ``spec.channels``.
        spec: defines the framing.

    Raises:
        InputError: the framing is unknown, or it is ``mnist`` and nothing stands out from the background.
    """
    require_known(spec)
    if spec.framing == "mnist":
        from . import mnist

        return mnist.frame(levels)
    make = _stretch if spec.framing == "stretch" else _letterbox
    return make(levels, *spec.frame_size)


def frame_batch(images: "NDArray[np.uint8]", spec: ModelSpec) -> "NDArray[np.uint8]":
    """Return uint8[N, h, w] or uint8[N, h, w, 3] frames: ``frame`` of each, fast for images that are already frames.

    Args:
        images: uint8[N, H, W] (grey) or uint8[N, H, W, 3] (RGB), each converted to ``spec.channels`` by ``decode``.
        spec: defines the framing and the channels.

    Raises:
        InputError: as for ``frame``.
    """
    import numpy as np

    require_known(spec)
    pixel = () if spec.channels == 1 else (spec.channels,)
    frames = np.empty((len(images), *spec.frame_size, *pixel), np.uint8)
    todo = np.arange(len(images))
    if images.shape == frames.shape:
        frames[...] = images
        todo = np.flatnonzero(~are_frames(images)) if spec.framing == "mnist" else todo[:0]
    for index in todo:
        frames[index] = frame(decode(images[index], spec.channels), spec)
    return frames


def require_known(spec: ModelSpec) -> None:
    """Check that a spec defines how an image becomes a frame.

    Raises:
        InputError: its framing is unknown.
    """
    if spec.framing == UNKNOWN:
        raise InputError(
            "The model does not record how a picture becomes its input: export it with --framing, --mean and --std, "
            "or give float32[N, C, H, W] inputs to Classifier.logits."
        )


def are_frames(images: "NDArray[np.uint8]") -> "NDArray[np.bool_]":
    """Return bool[N] for uint8[N, 28, 28]: whether each is a frame already, light ink on dark.

    The border is dark and some pixel is light, but not all four ``CORNERS``, as they are for paper in a dark frame.
    """
    edges, pixels = borders(images), images.reshape(len(images), SIDE * SIDE)
    dark = (edges < CLEAN_BACKGROUND).sum(axis=1) * 2 > edges.shape[1]
    ready: NDArray[np.bool_] = dark & (pixels.max(axis=1) >= LIGHT) & (pixels[:, CORNERS].min(axis=1) < LIGHT)
    return ready


def _stretch(levels: "NDArray[np.uint8]", height: int, width: int) -> "NDArray[np.uint8]":
    """Fill the frame, ignoring the aspect ratio."""
    return levels if levels.shape[:2] == (height, width) else resize(levels, height, width)


def _letterbox(levels: "NDArray[np.uint8]", height: int, width: int) -> "NDArray[np.uint8]":
    """Keep the aspect ratio, centred on black; an odd line of black comes last."""
    import numpy as np

    if levels.shape[:2] == (height, width):
        return levels
    inner_height, inner_width = _fitted(levels.shape[0], levels.shape[1], height, width)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    framed = np.zeros((height, width, *levels.shape[2:]), np.uint8)
    framed[top : top + inner_height, left : left + inner_width] = resize(levels, inner_height, inner_width)
    return framed


def _fitted(height: int, width: int, frame_height: int, frame_width: int) -> tuple[int, int]:
    """Return the largest size of this aspect ratio, rounded once."""
    if height * frame_width >= width * frame_height:
        return frame_height, max(1, round(width * frame_height / height))
    return max(1, round(height * frame_width / width)), frame_width
