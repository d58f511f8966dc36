"""The inputs on which an artifact is compared, by group."""

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import lookup_table

__all__ = ["constant", "random", "saturated"]

Inputs = NDArray[np.float32]

_IMAGES = 257
"""Of each random group: as many as the largest batch that is tried."""


def random(spec: ModelSpec) -> Inputs:
    """Give float32[257, C, H, W]: standard normal values, which real images never are, from a fixed seed."""
    shape = (_IMAGES, *spec.input_shape)
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def constant(spec: ModelSpec) -> Inputs:
    """Give float32[18, C, H, W]: every pixel of an image has the same one of 18 grey levels, 0 to 255."""
    levels = lookup_table(spec)[:, ::15].T
    return np.tile(levels[:, :, None, None], (1, 1, spec.height, spec.width))


def saturated(spec: ModelSpec) -> Inputs:
    """Give float32[257, C, H, W]: every level 0 or 255, with more of 255 from image to image."""
    black, white = lookup_table(spec)[:, [0, 255], None, None].swapaxes(0, 1)
    chance = np.linspace(0.02, 0.98, _IMAGES)[:, None, None, None]
    is_white = np.random.default_rng(1).random((_IMAGES, *spec.input_shape)) < chance
    images: Inputs = np.where(is_white, white, black)
    return images
