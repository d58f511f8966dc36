"""Which images are frames of MNIST already: asked of every array, and so apart from what makes frames of the others."""

from typing import TYPE_CHECKING, Any

from ...spec import MNIST_SIDE as SIDE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CLEAN_BACKGROUND", "CORNERS", "LIGHT", "are_frames", "borders"]

CLEAN_BACKGROUND = 16
"""A 28×28 image of whose border more than half is darker than this is taken to be a frame already …"""
LIGHT = 128
"""… if it has a pixel of at least this: what has none is a mask of 0 and 1, or faint …"""
CORNERS = [row * SIDE + column for row in (4, SIDE - 5) for column in (4, SIDE - 5)]
"""… and one of these four pixels, which are dark in all of MNIST, is darker than that."""


def are_frames(images: "NDArray[np.uint8]") -> "NDArray[np.bool_]":
    """Return bool[N] for uint8[N, 28, 28]: light ink on dark, so nothing to do.

    The border is dark, something is light, and so is not the paper inside a dark frame: its four corners.
    """
    edges, pixels = borders(images), images.reshape(len(images), SIDE * SIDE)
    dark = (edges < CLEAN_BACKGROUND).sum(axis=1) * 2 > edges.shape[1]
    ready: NDArray[np.bool_] = dark & (pixels.max(axis=1) >= LIGHT) & (pixels[:, CORNERS].min(axis=1) < LIGHT)
    return ready


def borders(images: "NDArray[Any]") -> "NDArray[Any]":
    """Return [N, B]: the outermost pixels of [N, H, W]."""
    import numpy as np

    return np.concatenate([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1)
