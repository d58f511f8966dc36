"""Generate the inputs on which an artifact is compared, by kind; each is float32[N, C, H, W]."""

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import lookup_table

__all__ = ["EXTREME", "GROUPS", "HARD", "beyond_pictures"]

Inputs = NDArray[np.float32]

_SCALES = (1e3, 1e10, 1e30)
"""Scales of large inputs. The last leaves room for sums of products below the float32 maximum, 3.4e38."""
_BEYOND = 100
_DENORMAL = (2e-39, 1e-42)
"""Scales of denormal inputs: below 2⁻¹²⁶ = 1.2e-38 float32 has fewer bits, and some processors flush to zero."""


def random(spec: ModelSpec, count: int) -> Inputs:
    """Return ``count`` inputs of standard normal values from a fixed seed."""
    return np.random.default_rng(0).standard_normal((count, *spec.input_shape), np.float32)


def zeros(spec: ModelSpec, count: int) -> Inputs:
    """Return one input of zeros; this is not a black image unless the mean is 0."""
    return np.zeros((min(count, 1), *spec.input_shape), np.float32)


def constant(spec: ModelSpec, count: int) -> Inputs:
    """Return at most 18 images of one grey level each, including black and white."""
    levels = lookup_table(spec)[:, np.linspace(0, 255, max(2, min(count, 18))).astype(int)].T
    return np.tile(levels[:, :, None, None], (1, 1, spec.height, spec.width))


def one_hot(spec: ModelSpec, count: int) -> Inputs:
    """Return at most 32 black images with one white pixel each, corners first."""
    black, white = _black_and_white(spec)
    height, width = spec.height, spec.width
    corners = [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)]
    others = np.random.default_rng(2).integers((0, 0), (height, width), (28, 2)).tolist()
    places = [*corners, *others][: min(count, 32)]
    images = np.broadcast_to(black, (len(places), *spec.input_shape)).copy()
    for image, (row, column) in zip(images, places, strict=True):
        image[:, row, column] = white[:, 0, 0]
    return images


def saturated(spec: ModelSpec, count: int) -> Inputs:
    """Return images of black and white pixels only; the share of white grows from 2 % to 98 %."""
    black, white = _black_and_white(spec)
    chance = np.linspace(0.02, 0.98, count)[:, None, None, None]
    is_white = np.random.default_rng(1).random((count, *spec.input_shape)) < chance
    images: Inputs = np.where(is_white, white, black)
    return images


def denormal(spec: ModelSpec, count: int) -> Inputs:
    """Return at most 16 inputs of denormal values, which float32 stores with fewer bits."""
    values = np.random.default_rng(3).standard_normal((min(count, 16), *spec.input_shape))
    return _scaled(values, _DENORMAL)


def large(spec: ModelSpec, count: int) -> Inputs:
    """Return at most 18 inputs of values of both signs, far larger than any image's."""
    values = np.random.default_rng(4).standard_normal((min(count, 18), *spec.input_shape))
    return _scaled(values, _SCALES)


GROUPS = {
    "random inputs": (random, "standard normal inputs"),
    "zeros": (zeros, "input of zeros"),
    "constant images": (constant, "images of one grey level"),
    "one hot pixel": (one_hot, "images of one white pixel"),
    "saturated images": (saturated, "black-and-white images"),
    "denormal inputs": (denormal, "inputs of denormal numbers"),
    "large inputs": (large, "inputs of 1e3 to 1e30"),
}
"""The generator and a description, by name."""
HARD = tuple(GROUPS)[1:]
"""The names of the hard inputs: all but the random ones."""
EXTREME = "large inputs"
"""The name of the inputs on which eager float32 itself may overflow."""


def beyond_pictures(spec: ModelSpec, inputs: Inputs) -> NDArray[np.bool_]:
    """Return bool[N]: which of float32[N, C, H, W] have values over 100 times as large as any image's."""
    largest = max(1.0, float(np.abs(lookup_table(spec)).max()))
    found: NDArray[np.bool_] = np.abs(inputs).max(axis=(1, 2, 3)) > _BEYOND * largest
    return found


def _scaled(values: NDArray[np.float64], scales: tuple[float, ...]) -> Inputs:
    factors = np.array([scales[place % len(scales)] for place in range(len(values))])
    scaled: Inputs = (values * factors[:, None, None, None]).astype(np.float32)
    return scaled


def _black_and_white(spec: ModelSpec) -> tuple[Inputs, Inputs]:
    black, white = lookup_table(spec)[:, [0, 255], None, None].swapaxes(0, 1)
    return black, white
