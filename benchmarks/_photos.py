"""Render MNIST's test images as if drawn, scanned or photographed: 480×640, reproducible from a random generator."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

__all__ = ["LIGHTS", "canvas", "chalk", "mnist_test", "photo", "spoilt"]

HEIGHT, WIDTH = 480, 640
PAPER = 230
TIMES = 8

Levels = NDArray[np.uint8]
Light = Callable[[np.random.Generator], NDArray[np.float64]]


def mnist_test() -> tuple[Levels, Levels]:
    """Return the uint8[10000, 28, 28] images and uint8[10000] labels of MNIST's test split."""
    raw = Path(os.environ["LENETX_DATA"], "MNIST", "raw")
    images, labels = (raw / f"t10k-{part}-ubyte" for part in ("images-idx3", "labels-idx1"))
    levels = np.frombuffer(images.read_bytes(), np.uint8, offset=16).reshape(-1, 28, 28)
    return levels, np.frombuffer(labels.read_bytes(), np.uint8, offset=8)


def canvas(image: Levels, random: np.random.Generator, how: int = PIL.Image.Resampling.BICUBIC) -> Levels:
    """Return the image, enlarged ×8, at a random position on black."""
    height, width = (side * TIMES for side in image.shape)
    large = np.asarray(PIL.Image.fromarray(image).resize((width, height), how))
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    top, left = random.integers(0, HEIGHT - height + 1), random.integers(0, WIDTH - width + 1)
    drawn[top : top + height, left : left + width] = large
    return drawn


def photo(
    ink: Levels, light: Light, random: np.random.Generator, *, absorbs: float = 0.75, noise: float = 4, gain: float = 1
) -> Levels:
    """Return dark ink of uneven strength on white paper.

    Args:
        ink: uint8[480, 640], 0 for none, 255 for full ink.
        light: returns the light on each pixel.
        random: generator for the strength of the ink, the light and the noise.
        absorbs: the share of the light that full ink absorbs.
        noise: standard deviation of the noise in grey levels.
        gain: exposure of the camera; above 1, white is often 255.
    """
    paper = PAPER * (1 - absorbs * _strength(ink, random)) * light(random) * gain
    return _levels(paper, random, noise)


def chalk(ink: Levels, light: Light, random: np.random.Generator, *, noise: float = 4) -> Levels:
    """Return light ink of uneven strength on a dark board."""
    return _levels((50 + 170 * _strength(ink, random)) * light(random), random, noise)


def spoilt(ink: Levels, random: np.random.Generator) -> Levels:
    """Return the ink with six specks of 4×4 pixels, and a frame line along the border."""
    spoilt = ink.copy()
    for _ in range(6):
        top, left = random.integers(0, HEIGHT - 4), random.integers(0, WIDTH - 4)
        spoilt[top : top + 4, left : left + 4] = 255
    spoilt[:6], spoilt[-6:], spoilt[:, :6], spoilt[:, -6:] = 255, 255, 255, 255
    return spoilt


def _strength(ink: Levels, random: np.random.Generator) -> NDArray[np.float64]:
    """Return the ink from 0 to 1, weakened at random by up to a quarter, like the pressure of a pen."""
    coarse = PIL.Image.fromarray(random.uniform(0.75, 1, (6, 8)).astype(np.float32))
    pressure = coarse.resize((WIDTH, HEIGHT), PIL.Image.Resampling.BILINEAR)
    strength: NDArray[np.float64] = ink / 255 * np.asarray(pressure, np.float64)
    return strength


def _levels(light: NDArray[np.float64], random: np.random.Generator, noise: float) -> Levels:
    levels: Levels = np.clip(np.rint(light + random.normal(0, noise, light.shape)), 0, 255).astype(np.uint8)
    return levels


def _even(_: np.random.Generator) -> NDArray[np.float64]:
    return np.ones((HEIGHT, WIDTH))


def _falling(random: np.random.Generator) -> NDArray[np.float64]:
    """Return light from a window: 230 on one side, 120 on the other, in any direction."""
    along = _along(random)
    return 1 - (1 - 120 / PAPER) * (along - along.min()) / np.ptp(along)


def _vignette(_: np.random.Generator) -> NDArray[np.float64]:
    """Return light that falls to half in the corners."""
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    return 1 - (x**2 + y**2) / 4


def _shadow(random: np.random.Generator) -> NDArray[np.float64]:
    """Return light with a shadow, 40 % darker than the rest, whose edge is 40 to 160 pixels wide."""
    edge = _along(random) - random.uniform(-0.3, 0.3) * HEIGHT
    return 1 - 0.4 / (1 + np.exp(-edge / random.uniform(10, 40)))


def _lamp(random: np.random.Generator) -> NDArray[np.float64]:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(y - random.uniform(0, HEIGHT), x - random.uniform(0, WIDTH))
    return 0.45 + 0.55 * np.exp(-((distance / (0.6 * WIDTH)) ** 2))


def _along(random: np.random.Generator) -> NDArray[np.float64]:
    angle = random.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.cos(angle) * (x - WIDTH / 2) + np.sin(angle) * (y - HEIGHT / 2)


def _all(random: np.random.Generator) -> NDArray[np.float64]:
    return np.sqrt(_falling(random)) * _vignette(random) * _shadow(random)


LIGHTS: dict[str, Light] = {
    "even": _even,
    "falling from 230 to 120": _falling,
    "vignette": _vignette,
    "soft shadow": _shadow,
    "lamp": _lamp,
    "falling, vignette and shadow": _all,
}
