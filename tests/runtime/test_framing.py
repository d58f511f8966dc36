"""Stretch and letterbox: any picture, grey or RGB, fills a frame of any size."""

import numpy as np
import PIL.Image
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lenetx_runtime import InputError
from lenetx_runtime.preprocess import frame

QUICK = settings(deadline=None, derandomize=True, max_examples=150)
FILLING = pytest.mark.parametrize("framing", ["stretch", "letterbox"])

sides = st.integers(1, 40)
colours = st.sampled_from([(), (3,)])


@st.composite
def pictures(draw):
    shape = (draw(sides), draw(sides), *draw(colours))
    return draw(hnp.arrays(np.uint8, shape))


def channels_of(picture):
    return 1 if picture.ndim == 2 else 3


def lanczos(picture, height, width):
    return np.asarray(PIL.Image.fromarray(picture).resize((width, height), PIL.Image.Resampling.LANCZOS))


def content_of(framed):
    """Return the (top, height, left, width) of the box outside of which a frame is black."""
    lit = framed.reshape(*framed.shape[:2], -1).any(axis=2)
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    return rows[0], rows[-1] - rows[0] + 1, columns[0], columns[-1] - columns[0] + 1


@FILLING
def test_a_picture_of_the_size_of_the_frame_passes_through_to_the_bit(spec_for, framing):
    @QUICK
    @given(pictures())
    def passes(picture):
        spec = spec_for(framing, channels_of(picture), *picture.shape[:2])
        assert frame(picture, spec).tobytes() == picture.tobytes()

    passes()


@QUICK
@given(pictures(), sides, sides)
def test_stretch_is_pillows_lanczos_of_the_whole_picture(spec_for, picture, height, width):
    framed = frame(picture, spec_for("stretch", channels_of(picture), height, width))
    assert framed.dtype == np.uint8
    np.testing.assert_array_equal(framed, lanczos(picture, height, width))


@QUICK
@given(pictures(), sides, sides)
def test_letterbox_is_the_resized_picture_in_the_middle_of_black(spec_for, picture, height, width):
    framed = frame(picture, spec_for("letterbox", channels_of(picture), height, width))
    assert framed.dtype == np.uint8
    assert framed.shape == (height, width, *picture.shape[2:])
    white = frame(np.full_like(picture, 255), spec_for("letterbox", channels_of(picture), height, width))
    top, inner_height, left, inner_width = content_of(white)
    assert inner_height == height or inner_width == width
    assert top == (height - inner_height) // 2
    assert left == (width - inner_width) // 2
    box = framed[top : top + inner_height, left : left + inner_width]
    np.testing.assert_array_equal(box, lanczos(picture, inner_height, inner_width))
    assert int(framed.sum(dtype=np.int64)) == int(box.sum(dtype=np.int64))


@QUICK
@given(picture=st.tuples(sides, sides), size=st.tuples(sides, sides))
def test_letterbox_keeps_the_aspect_to_half_a_pixel(spec_for, picture, size):
    framed = frame(np.full(picture, 200, np.uint8), spec_for("letterbox", 1, *size))
    _, height, _, width = content_of(framed)
    factor = min(size[0] / picture[0], size[1] / picture[1])
    for side, whole in zip((height, width), picture, strict=True):
        assert abs(side - max(1, whole * factor)) <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("picture", "size", "box"),
    [
        ((10, 20), (32, 32), (8, 16, 0, 32)),
        ((20, 10), (32, 32), (0, 32, 8, 16)),
        ((10, 20), (31, 32), (7, 16, 0, 32)),
        ((300, 100), (30, 60), (0, 30, 25, 10)),
        ((1, 500), (9, 9), (4, 1, 0, 9)),
        ((3, 3), (5, 8), (0, 5, 1, 5)),
        ((7, 7), (28, 28), (0, 28, 0, 28)),
    ],
)
def test_letterbox_puts_the_picture_where_the_documentation_says(spec_for, picture, size, box):
    for channels in (1, 3):
        shape = picture if channels == 1 else (*picture, 3)
        framed = frame(np.full(shape, 255, np.uint8), spec_for("letterbox", channels, *size))
        assert content_of(framed) == box


@FILLING
@pytest.mark.parametrize("level", [0, 9, 255])
def test_a_blank_picture_is_no_error(spec_for, framing, level):
    for channels in (1, 3):
        shape = (17, 17) if channels == 1 else (17, 17, 3)
        framed = frame(np.full(shape, level, np.uint8), spec_for(framing, channels, 8, 8))
        assert (framed == level).all()


@FILLING
def test_the_padding_is_not_part_of_the_frame(spec_for, framing):
    picture = np.random.default_rng(0).integers(0, 256, (13, 29), np.uint8)
    padded, bare = spec_for(framing, 1, 30, 24, 4), spec_for(framing, 1, 22, 16)
    np.testing.assert_array_equal(frame(picture, padded), frame(picture, bare))


@FILLING
@QUICK
@given(grey=hnp.arrays(np.uint8, st.tuples(sides, sides)), size=st.tuples(sides, sides))
def test_three_equal_channels_are_framed_like_one(spec_for, framing, grey, size):
    alone = frame(grey, spec_for(framing, 1, *size))
    together = frame(np.repeat(grey[:, :, None], 3, axis=2), spec_for(framing, 3, *size))
    np.testing.assert_array_equal(together, np.repeat(alone[:, :, None], 3, axis=2))


@FILLING
@QUICK
@given(picture=hnp.arrays(np.uint8, (9, 7)), size=st.tuples(sides, sides))
def test_nothing_is_inverted_or_stretched_in_contrast(spec_for, framing, picture, size):
    assume(picture.min() < picture.max())
    faint = (picture // 16 + 100).astype(np.uint8)
    framed = frame(faint, spec_for(framing, 1, *size))
    top, height, left, width = content_of(framed)
    box = framed[top : top + height, left : left + width]
    assert abs(int(np.median(box)) - 107) <= 12


def test_mnist_is_the_framing_of_digits(spec, seven):
    from lenetx_runtime.preprocess.framing import mnist

    np.testing.assert_array_equal(frame(255 - seven, spec), mnist.frame(255 - seven))
    with pytest.raises(InputError, match="blank"):
        frame(np.zeros((9, 9), np.uint8), spec)
