"""From a picture of any size to a frame: one file per framing.

``mnist`` finds the ink of a digit, ``stretch`` fills the frame and ``letterbox`` keeps the picture's aspect.
"""

from typing import TYPE_CHECKING

from ...errors import InputError
from ...spec import UNKNOWN, ModelSpec
from ..decode import decode
from .ready import are_frames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["frame", "frame_batch", "require_known"]


def frame(levels: "NDArray[np.uint8]", spec: ModelSpec) -> "NDArray[np.uint8]":
    """Give the uint8[h, w] or uint8[h, w, 3] frame, h × w being ``spec.frame_size``, of one picture.

    Args:
        levels: uint8[H, W] or uint8[H, W, 3], as :func:`decode` gives it for ``spec.channels``.
        spec: names the framing.

    Raises:
        InputError: the framing is ``mnist`` and nothing stands out from the background, or it is unknown.
    """
    require_known(spec)
    if spec.framing == "mnist":
        from . import mnist

        return mnist.frame(levels)
    if spec.framing == "stretch":
        from . import stretch

        return stretch.frame(levels, *spec.frame_size)
    from . import letterbox

    return letterbox.frame(levels, *spec.frame_size)


def frame_batch(images: "NDArray[np.uint8]", spec: ModelSpec) -> "NDArray[np.uint8]":
    """Give uint8[N, h, w] or uint8[N, h, w, 3] frames: :func:`frame` of each, fast where nothing is to do.

    Args:
        images: uint8[N, H, W] (grey) or uint8[N, H, W, 3] (RGB), each brought to ``spec.channels`` by :func:`decode`.
        spec: names the framing and the channels.

    Raises:
        InputError: as :func:`frame`.
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
    """Do nothing if a spec says how a picture becomes a frame.

    Raises:
        InputError: its framing is unknown.
    """
    if spec.framing == UNKNOWN:
        raise InputError(
            "The model does not say how a picture becomes its input: export it with --framing, --mean and --std, "
            "or give float32[N, C, H, W] inputs to Classifier.logits."
        )
