"""Turn an image of any size into a frame.

``mnist`` finds the ink of a digit, ``stretch`` fills the frame, ``letterbox`` keeps the aspect ratio, and ``crop`` cuts
the frame from the centre, with the bits of torchvision's ``Resize`` and ``CenterCrop`` of a Pillow image.
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

__all__ = [
    "CLEAN_BACKGROUND",
    "CORNERS",
    "LIGHT",
    "are_frames",
    "frame",
    "frame_batch",
    "keeps_frames",
    "require_known",
]

CLEAN_BACKGROUND = 16
"""A 28×28 image is already a frame if more than half of its border is darker than this, …"""
LIGHT = 128
"""… at least one pixel is this light (otherwise it is a mask of 0 and 1, or faint), …"""
CORNERS = [row * SIDE + column for row in (4, SIDE - 5) for column in (4, SIDE - 5)]
"""… and one of these four pixels, which are dark in all of MNIST, is darker than that."""
_MOST_RESIZED = 2**26
"""Most pixels of an image that is resized to be cropped."""
_SHORT = 128
"""Pixels; a shorter side resized to fewer counts as many: the filter's table grows with the longer side."""


def frame(levels: "NDArray[np.uint8]", spec: ModelSpec) -> "NDArray[np.uint8]":
    """Return the uint8[h, w] or uint8[h, w, 3] frame, h × w being ``spec.frame_size``, of one image.

    Args:
        levels: uint8[H, W] or uint8[H, W, 3], as ``decode`` returns it for ``spec.channels``.
        spec: defines the framing.

    Raises:
        InputError: the framing is unknown, or it is ``mnist`` and nothing stands out from the background, or it is
            ``crop`` and the image is far too narrow.
    """
    require_known(spec)
    if spec.framing == "mnist":
        from . import mnist

        return mnist.frame(levels)
    if spec.framing == "letterbox":
        return _letterbox(levels, spec)
    return _centre(_resized(levels, *_target(levels, spec), spec.interpolation), *spec.frame_size)


def keeps_frames(spec: ModelSpec) -> bool:
    """Return whether an image of ``spec.frame_size`` is its own frame (for ``mnist``: if ``are_frames`` says so)."""
    height, width = spec.frame_size
    return spec.resize is None or spec.resize == height == width


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
    if images.shape == frames.shape and keeps_frames(spec):
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
            "The model does not record how a picture becomes its input: state it with --framing, --mean and --std "
            "of lenetx, or give float32[N, C, H, W] inputs to Classifier.logits."
        )


def are_frames(images: "NDArray[np.uint8]") -> "NDArray[np.bool_]":
    """Return bool[N] for uint8[N, 28, 28]: whether each is a frame already, light ink on dark.

    The border is dark and some pixel is light, but not all four ``CORNERS``, as they are for paper in a dark frame.
    """
    edges, pixels = borders(images), images.reshape(len(images), SIDE * SIDE)
    dark = (edges < CLEAN_BACKGROUND).sum(axis=1) * 2 > edges.shape[1]
    ready: NDArray[np.bool_] = dark & (pixels.max(axis=1) >= LIGHT) & (pixels[:, CORNERS].min(axis=1) < LIGHT)
    return ready


def _target(levels: "NDArray[np.uint8]", spec: ModelSpec) -> tuple[int, int]:
    """Return the (height, width) to which an image is resized before the frame is cut out."""
    height, width = levels.shape[:2]
    if spec.framing == "stretch":
        return spec.frame_size if spec.resize is None else (spec.resize, spec.resize)
    assert spec.resize is not None, "the spec requires it"
    longer = int(spec.resize * max(height, width) / min(height, width))  # as torchvision rounds
    if max(spec.resize, _SHORT) * longer * max(spec.resize, _SHORT) > _MOST_RESIZED * spec.resize:
        raise InputError(
            f"The image has {height}×{width} pixels: it is too narrow to resize its shorter side to {spec.resize} "
            "pixels and crop the rest; crop it before."
        )
    return (spec.resize, longer) if height <= width else (longer, spec.resize)


def _centre(levels: "NDArray[np.uint8]", height: int, width: int) -> "NDArray[np.uint8]":
    """Cut h × w pixels out of the centre; half a pixel is rounded to even, as torchvision rounds."""
    top, left = round((levels.shape[0] - height) / 2), round((levels.shape[1] - width) / 2)
    return levels[top : top + height, left : left + width]


def _resized(levels: "NDArray[np.uint8]", height: int, width: int, interpolation: str) -> "NDArray[np.uint8]":
    return levels if levels.shape[:2] == (height, width) else resize(levels, height, width, interpolation)


def _letterbox(levels: "NDArray[np.uint8]", spec: ModelSpec) -> "NDArray[np.uint8]":
    """Keep the aspect ratio, centred on black; an odd line of black comes last."""
    import numpy as np

    height, width = spec.frame_size
    if levels.shape[:2] == (height, width):
        return levels
    inner_height, inner_width = _fitted(levels.shape[0], levels.shape[1], height, width)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    framed = np.zeros((height, width, *levels.shape[2:]), np.uint8)
    inner = resize(levels, inner_height, inner_width, spec.interpolation)
    framed[top : top + inner_height, left : left + inner_width] = inner
    return framed


def _fitted(height: int, width: int, frame_height: int, frame_width: int) -> tuple[int, int]:
    """Return the largest size of this aspect ratio, rounded once."""
    if height * frame_width >= width * frame_height:
        return frame_height, max(1, round(width * frame_height / height))
    return max(1, round(height * frame_width / width)), frame_width
