"""Draw MNIST's test images on realistic pages: ruled, squared, framed, or with a thumb in the picture.

Every page has its own random size, scale, colours, thicknesses and angles; a quarter are light on dark, and a third
have camera noise.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import PIL.Image
from _photos import LIGHTS
from numpy.typing import NDArray

__all__ = ["PAGES", "TINY"]

Levels = NDArray[np.uint8]
Cover = NDArray[np.float64]
Random = np.random.Generator
Page = Callable[[Levels, Random], Levels]


def _digit(image: Levels, random: Random, sides: tuple[int, int], share: tuple[float, float]) -> Cover:
    """Draw the digit, float64[H, W] from 0 to 1; its 28 pixels span this share of the page's shorter side."""
    height, width = random.integers(*sides, 2)
    side = max(28, round(min(height, width) * random.uniform(*share)))
    top, left = random.integers(0, height - side + 1), random.integers(0, width - side + 1)
    drawn = np.zeros((height, width))
    large = PIL.Image.fromarray(image).resize((side, side), PIL.Image.Resampling.BICUBIC)
    drawn[top : top + side, left : left + side] = np.asarray(large) / 255
    return drawn


def _lines(shape: tuple[int, ...], angle: float, bend: float, spacing: float, thickness: float, first: float) -> Cover:
    """Return the coverage of each pixel, float64[H, W] from 0 to 1, by parallel lines, or by one line (spacing 0)."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    x -= shape[1] / 2
    across = y * np.cos(angle) + x * np.sin(angle) + bend * (2 * x / shape[1]) ** 2 - first
    away = np.abs((across + spacing / 2) % spacing - spacing / 2) if spacing else np.abs(across)
    return np.clip(thickness / 2 + 0.5 - away, 0, 1)


def _taken(ink: Cover, cover: Cover, line: float, random: Random, *, light: Cover | float = 1.0) -> Levels:
    """Compose the page: paper, the cover in the grey level ``line`` on it, and the ink on top."""
    paper, pen = random.uniform(190, 255), random.uniform(0, 80)
    page = paper * (1 - cover) + min(line, paper) * cover
    page = (page * (1 - ink) + np.minimum(pen, page) * ink) * light
    if random.random() < 1 / 3:
        page = page + random.normal(0, random.uniform(1, 5), page.shape)
    levels: Levels = np.clip(np.rint(page), 0, 255).astype(np.uint8)
    return ~levels if random.random() < 1 / 4 else levels


def _rules(
    image: Levels,
    random: Random,
    *,
    squared: bool = False,
    share: tuple[float, float] = (0.45, 0.95),
    margin: float = 0,
    lit: bool = False,
) -> Levels:
    ink = _digit(image, random, (200, 640), share)
    high = np.ptp(np.flatnonzero((ink > 0.3).any(axis=1))) + 1
    thickness = random.uniform(1, min(4, high / 20))
    spacing = max(random.uniform(0.2, 0.7) * high, 7 * thickness)
    angle, bend = np.deg2rad(random.uniform(-3, 3)), random.uniform(-5, 5)
    cover = _lines(ink.shape, angle, bend, spacing, thickness, random.uniform(0, spacing))
    if squared:
        cover = np.maximum(cover, _lines(ink.T.shape, -angle, 0, spacing, thickness, random.uniform(0, spacing)).T)
    if margin:
        rim = round(margin * min(ink.shape))
        cover[:rim], cover[-rim:], cover[:, :rim], cover[:, -rim:] = 0, 0, 0, 0
    light = _light(ink.shape, random) if lit else 1.0
    return _taken(ink, cover, random.uniform(0, 190), random, light=light)


def _light(shape: tuple[int, ...], random: Random) -> Cover:
    """Return a random uneven light of ``_photos``, scaled to this shape."""
    light = list(LIGHTS.values())[random.integers(1, len(LIGHTS))](random)
    image = PIL.Image.fromarray(light.astype(np.float32)).resize(shape[::-1])
    return np.asarray(image, np.float64)


def ruled(image: Levels, random: Random) -> Levels:
    """Draw lines across the page, some of which cross the digit."""
    return _rules(image, random)


def squared(image: Levels, random: Random) -> Levels:
    """Draw squares of a fifth to two thirds of the digit's height."""
    return _rules(image, random, squared=True)


def underlined(image: Levels, random: Random) -> Levels:
    """Draw one line across the page that the digit stands on, touches or hangs from."""
    ink = _digit(image, random, (200, 640), (0.45, 0.9))
    rows = np.flatnonzero((ink > 0.3).any(axis=1))
    thickness = random.uniform(1, min(4, len(rows) / 20))
    at = random.choice([rows[0], rows[-1]]) + random.uniform(-3, 3)
    cover = _lines(ink.shape, np.deg2rad(random.uniform(-2, 2)), random.uniform(-2, 2), 0, thickness, at)
    return _taken(ink, cover, random.uniform(0, 190), random)


def edged(image: Levels, random: Random) -> Levels:
    """Draw a dark frame of 1 to 8 pixels at the very edge of the page, on one to four sides."""
    ink = _digit(image, random, (120, 640), (0.4, 0.85))
    cover = np.zeros(ink.shape)
    for turns in random.permutation(4)[: random.integers(1, 5)]:
        np.rot90(cover, turns)[: random.integers(1, 9)] = 1
    return _taken(ink * (1 - cover), cover, random.uniform(0, 120), random)


def _far(ink: Cover, make: Callable[[], Cover]) -> Cover:
    """Return a cover, drawn by ``make``, that does not touch the digit; an empty one if none is found."""
    rows, columns = (np.flatnonzero((ink > 0.1).any(axis=axis)) for axis in (1, 0))
    near = max(3, min(ink.shape) // 50)
    box = np.s_[max(rows[0] - near, 0) : rows[-1] + near, max(columns[0] - near, 0) : columns[-1] + near]
    for _ in range(200):
        cover = make()
        if cover[box].max() < 0.02 and cover.max() > 0.9:
            return cover
    return np.zeros(ink.shape)


def thumb(image: Levels, random: Random) -> Levels:
    """Draw a dark or grey thumb that reaches in from a side."""
    ink = _digit(image, random, (240, 640), (0.3, 0.7))
    y, x = np.mgrid[: ink.shape[0], : ink.shape[1]]

    def make() -> Cover:
        angle, side = random.uniform(0, 2 * np.pi), min(ink.shape)
        middle = np.array(ink.shape) * (0.5 + 0.55 * np.clip([np.sin(angle) * 1.4, np.cos(angle) * 1.4], -1, 1))
        long, wide, turn = side * random.uniform(0.2, 0.5), side * random.uniform(0.08, 0.22), random.uniform(0, np.pi)
        down, right = y - middle[0], x - middle[1]
        along, across = down * np.cos(turn) + right * np.sin(turn), right * np.cos(turn) - down * np.sin(turn)
        inside = (1 - np.hypot(along / long, across / wide)) * wide
        return np.clip(inside / random.uniform(1, 12), 0, 1)

    return _taken(ink, _far(ink, make), random.uniform(20, 150), random)


def corner(image: Levels, random: Random) -> Levels:
    """Draw one to three dark corners, from a hard edge to a soft shadow."""
    ink = _digit(image, random, (240, 640), (0.3, 0.7))
    y, x = np.mgrid[: ink.shape[0], : ink.shape[1]].astype(np.float64)
    light = np.ones(ink.shape)
    for turns in random.permutation(4)[: random.integers(1, 4)]:
        down, right = (ink.shape[0] - 1 - y if turns & 1 else y), (ink.shape[1] - 1 - x if turns & 2 else x)

        def make(down: Cover = down, right: Cover = right) -> Cover:
            high, wide = random.uniform(0.15, 0.6, 2) * ink.shape
            return np.clip((1 - down / high - right / wide) * min(high, wide) / random.uniform(2, 60), 0, 1)

        light *= 1 - _far(ink, make) * random.uniform(0.5, 1)
    return _taken(ink, np.zeros(ink.shape), 0, random, light=light)


def side(image: Levels, random: Random) -> Levels:
    """Draw a dark band along one or two sides: the table beside the paper, or a shadow."""
    ink = _digit(image, random, (240, 640), (0.3, 0.7))
    y, x = np.mgrid[: ink.shape[0], : ink.shape[1]].astype(np.float64)
    light = np.ones(ink.shape)
    for turns in random.permutation(4)[: random.integers(1, 3)]:
        along, across = (y, x) if turns & 1 else (x, y)
        across = across.max() - across if turns & 2 else across

        def make(along: Cover = along, across: Cover = across) -> Cover:
            edge = across.max() * random.uniform(0.04, 0.25) + np.tan(np.deg2rad(random.uniform(-6, 6))) * along
            return np.clip((edge - across) / random.uniform(1, 20), 0, 1)

        light *= 1 - _far(ink, make) * random.uniform(0.4, 1)
    return _taken(ink, np.zeros(ink.shape), 0, random, light=light)


def sheet(image: Levels, random: Random) -> Levels:
    """Draw a white sheet, rotated by up to 10°, on a dark or grey table; half of them are noisy."""
    height, width = random.integers(260, 400), random.integers(260, 500)
    paper = np.full((height, width), 255, np.uint8)
    top, left = random.integers(10, height - 249), random.integers(10, width - 249)
    large = PIL.Image.fromarray(~image).resize((240, 240), PIL.Image.Resampling.BICUBIC)
    paper[top : top + 240, left : left + 240] = np.asarray(large)
    table = int(random.integers(0, 150))
    turned = PIL.Image.fromarray(paper).rotate(
        random.uniform(-10, 10), expand=True, fillcolor=table, resample=PIL.Image.Resampling.BICUBIC
    )
    page = np.pad(np.asarray(turned), random.integers(3, 60), constant_values=table).astype(np.float64)
    if random.random() < 1 / 2:
        page = page * 0.9 + random.normal(0, 4, page.shape)
    return np.clip(np.rint(page), 0, 255).astype(np.uint8)


PAGES: dict[str, Page] = {
    "ruled": ruled,
    "squared": squared,
    "ruled, in uneven light": partial(_rules, lit=True),
    "squared, in uneven light": partial(_rules, squared=True, lit=True),
    "ruled, with a margin": partial(_rules, margin=0.08),
    "squared, with a margin": partial(_rules, squared=True, margin=0.08),
    "squared, a small digit": partial(_rules, squared=True, share=(0.25, 0.45)),
    "a sheet aslant on a table": sheet,
    "on or under a line": underlined,
    "a dark frame at the very edge": edged,
    "a thumb": thumb,
    "dark corners": corner,
    "dark sides": side,
}


def _framed28(image: Levels, random: Random) -> Levels:
    """Draw dark ink on white, 28×28, with a dark edge of 1 or 2 pixels on two to four sides."""
    framed = 255 - image
    for turns in random.permutation(4)[: random.integers(2, 5)]:
        np.rot90(framed, turns)[: random.integers(1, 3)] = random.integers(0, 40)
    return framed


TINY: dict[str, Callable[[Levels, Random], NDArray[np.generic]]] = {
    "bool": lambda image, _: image > 127,
    "uint8 of 0 and 1": lambda image, _: (image > 127).astype(np.uint8),
    "uint8 of 1 and 0, dark ink": lambda image, _: (image <= 127).astype(np.uint8),
    "uint8 of 0 to 15": lambda image, _: image // 16,
    "uint8 of 0 to 100": lambda image, _: (image * (100 / 255)).astype(np.uint8),
    "uint16 of 0 and 1": lambda image, _: (image > 127).astype(np.uint16),
    "uint16 of 0 to 255": lambda image, _: image.astype(np.uint16),
    "uint16 of 255 to 0, dark ink": lambda image, _: 255 - image.astype(np.uint16),
    "uint16 of 0 to 4095": lambda image, _: image.astype(np.uint16) * 16,
    "int64 of 0 to 255": lambda image, _: image.astype(np.int64),
    "float32 of 0 and 1": lambda image, _: (image > 127).astype(np.float32),
    "float32 of 0 to 255": lambda image, _: image.astype(np.float32),
    "float64, a / 255 / 255": lambda image, _: image / 255 / 255,
    "float32, (255 − a) / 255 / 255": lambda image, _: (255 - image).astype(np.float32) / 255 / 255,
    "dark ink in a frame of 1 or 2 pixels": _framed28,
}
