"""The framing of a picture of any size on emulated microcontrollers, which compute its float64 without hardware."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import lenetx
from lenetx_runtime.preprocess.frames import Framer

from .board import build, printed
from .conftest import CHECKPOINT

pytestmark = pytest.mark.mcu
MAIN = Path(__file__).with_name("framing.c")
LARGEST = 128


def pages(spec):
    """Yield the self-test's digits, enlarged and moved on a page, every other one dark on light."""
    random = np.random.default_rng(0)
    digits = np.frombuffer(spec.selftest.images, np.uint8).reshape(-1, 28, 28)
    for turn, digit in enumerate([*digits, *digits, *digits]):
        side = int(random.integers(24, 100))
        height, width = (int(size) for size in random.integers(side, LARGEST + 1, 2))
        y, x = random.integers(0, [height - side + 1, width - side + 1])
        page = np.zeros((height, width), np.uint8)
        page[y : y + side, x : x + side] = PIL.Image.fromarray(digit).resize((side, side), PIL.Image.Resampling.BICUBIC)
        yield 255 - page if turn % 2 else page


def test_the_frames_have_the_bits_of_the_runtime(target, sources, folder):
    if "_frame_image" not in (sources / "lenet5.h").read_text():
        pytest.skip("the C file has no framing")
    spec = lenetx.load(CHECKPOINT).spec
    pictures = list(pages(spec))
    expected = np.concatenate([Framer(spec).one(page) for page in pictures])
    build(target, sources, folder, f"MAIN={MAIN}", "STACK=24K")
    data = b"".join(np.array(page.shape[::-1], "<u2").tobytes() + page.tobytes() for page in pictures)
    status, text = printed(target, sources, folder, data)
    assert status == 0, text
    rows = [line.split()[2:] for line in text.splitlines() if line.startswith("frame ")]
    found = np.frombuffer(bytes.fromhex("".join(map("".join, rows))), np.uint8).reshape(-1, 28, 28)
    np.testing.assert_array_equal(found, expected)
