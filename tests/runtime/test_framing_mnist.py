"""Any picture of a digit becomes a 28×28 frame with light ink, centred by mass."""

import numpy as np
import PIL.Image
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.datasets import load_digits

from lenetx_runtime import InputError
from lenetx_runtime.preprocess.framing.mnist import frame

QUICK = settings(deadline=None, derandomize=True, max_examples=150)


def centre_of_mass(levels):
    weight = levels.astype(np.float64)
    return [float((weight.sum(axis=1 - axis) * np.arange(28)).sum() / weight.sum()) for axis in (0, 1)]


def assert_framed(framed):
    """MNIST's own centres of mass lie in 13.5 to 14.5; only ink that would leave the frame may stay off centre."""
    assert framed.shape == (28, 28)
    assert framed.dtype == np.uint8
    for axis, centre in enumerate(centre_of_mass(framed)):
        inked = np.flatnonzero(framed.any(axis=1 - axis))
        assert inked[-1] - inked[0] < 20
        assert abs(centre - 14) <= 0.5 + 1e-9 or inked[0] == 0 or inked[-1] == 27


def frame_unless_blank(image):
    try:
        return frame(image)
    except InputError as error:
        if "blank" not in str(error):
            raise
        return None


@st.composite
def drawings(draw):
    """Return an image of any small size: plain paper and one to four strokes that stand out from it."""
    height, width = draw(st.integers(3, 64)), draw(st.integers(3, 64))
    light_ink = draw(st.booleans())
    paper = draw(st.integers(0, 127) if light_ink else st.integers(128, 255))
    image = np.full((height, width), paper, np.uint8)
    for _ in range(draw(st.integers(1, 4))):
        top, left = draw(st.integers(1, height - 2)), draw(st.integers(1, width - 2))
        bottom, right = draw(st.integers(top + 1, height - 1)), draw(st.integers(left + 1, width - 1))
        image[top:bottom, left:right] = draw(st.integers(paper + 1, 255) if light_ink else st.integers(0, paper - 1))
    return image


@QUICK
@given(drawings())
def test_any_drawing_is_framed_with_its_ink_centred(image):
    assume(image.shape != (28, 28))
    assert_framed(frame(image))


@QUICK
@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_any_image_is_framed_or_refused_as_blank(image):
    framed = frame_unless_blank(image)
    if framed is not None:
        assert framed.shape == (28, 28)
        assert framed.any()


@QUICK
@given(hnp.arrays(np.uint8, (26, 26)), st.integers(0, 15))
def test_a_28_by_28_image_with_a_dark_border_passes_through_unchanged(inside, border):
    image = np.pad(inside, 1, constant_values=border)
    assume(image.max() >= 128 > image[4:24:19, 4:24:19].min())
    np.testing.assert_array_equal(frame(image), image)


@QUICK
@given(drawings())
def test_dark_ink_on_light_paper_gives_the_frame_of_its_negative(image):
    assume(image.shape != (28, 28))
    np.testing.assert_array_equal(frame(255 - image), frame(image))


@QUICK
@given(top=st.integers(0, 40), left=st.integers(0, 40), bottom=st.integers(1, 40), right=st.integers(1, 40))
def test_where_the_digit_stands_on_the_paper_does_not_matter(seven, top, left, bottom, right):
    moved = np.pad(seven, ((top, bottom), (left, right)))
    np.testing.assert_array_equal(frame(moved), frame(np.pad(seven, 5)))


@pytest.mark.parametrize("times", [2, 8, 31])
def test_an_enlarged_digit_gives_nearly_the_frame_of_the_small_one(seven, times):
    small = frame(np.pad(seven, 5)).astype(float)
    large = frame(np.pad(np.kron(seven, np.ones((times, times), np.uint8)), 5)).astype(float)
    assert np.corrcoef(small.ravel(), large.ravel())[0, 1] > 0.97


def test_an_inverted_28_by_28_digit_is_brought_to_light_ink_on_black(seven):
    framed = frame(255 - seven)
    assert_framed(framed)
    assert np.median(framed) == 0
    assert np.corrcoef(framed.ravel(), frame(np.pad(seven, 5)).ravel())[0, 1] > 0.99


def test_grey_ink_on_grey_paper_is_stretched_to_the_full_range(seven):
    faint = (90 + np.pad(seven, 5) // 8).astype(np.uint8)
    framed = frame(faint)
    assert framed.max() == 255
    assert np.corrcoef(framed.ravel(), frame(np.pad(seven, 5)).ravel())[0, 1] > 0.99


def test_weaker_ink_keeps_its_share_of_the_strongest_rounded():
    image = np.zeros((30, 30), np.uint8)
    image[5:25, 5:25] = 100
    image[15, 15] = 50
    levels, counts = np.unique(frame(image), return_counts=True)
    assert dict(zip(levels.tolist(), counts.tolist(), strict=True)) == {0: 28 * 28 - 400, 128: 1, 255: 399}


@pytest.mark.parametrize(("level", "is_ink"), [(1, False), (31, False), (32, True), (255, True)])
def test_a_smudge_below_an_eighth_of_the_ink_does_not_count_as_ink(seven, level, is_ink):
    clean = np.pad(seven, 20)
    smudged = clean.copy()
    smudged[1:3, 1:3] = level
    assert np.array_equal(frame(smudged), frame(clean)) != is_ink


@pytest.mark.parametrize(("paper", "ink"), [(120, 10), (100, 0), (140, 250), (160, 255)])
def test_ink_is_found_on_either_side_of_middling_paper(seven, paper, ink):
    image = np.where(np.pad(seven, 5) > 128, ink, paper).astype(np.uint8)
    framed = frame(image)
    assert_framed(framed)
    assert framed.max() == 255


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (2, 2), (8, 8), (27, 28), (28, 29), (400, 300)])
@pytest.mark.parametrize("level", [0, 15, 127, 128, 255])
def test_a_blank_image_of_any_size_is_refused(shape, level):
    with pytest.raises(InputError, match=f"blank.*{level}"):
        frame(np.full(shape, level, np.uint8))


@pytest.mark.parametrize("level", [0, 7, 15, 16, 128, 255])
def test_a_blank_28_by_28_image_is_refused_like_any_other(level):
    with pytest.raises(InputError, match="blank"):
        frame(np.full((28, 28), level, np.uint8))


@pytest.mark.parametrize("length", [2, 3, 28, 1_000, 100_000])
def test_a_single_row_or_column_of_pixels_is_framed(length):
    row = np.zeros((1, length + 20), np.uint8)
    row[0, 5 : 5 + max(1, length // 3)] = 255
    for image in (row, row.T):
        assert_framed(frame(image))


@pytest.mark.parametrize(("height", "width"), [(3, 30_000), (30_000, 3), (5, 900), (900, 5)])
def test_a_stroke_of_huge_aspect_becomes_a_line_one_pixel_wide(height, width):
    image = np.zeros((height, width), np.uint8)
    image[1:-1, 1:-1] = 200
    framed = frame(image)
    assert_framed(framed)
    assert sorted([int(framed.any(axis=0).sum()), int(framed.any(axis=1).sum())]) == [1, 20]


def test_two_far_specks_are_framed_or_refused_but_no_crash():
    """Scaled into 20×20, two single pixels weigh less than one grey level."""
    image = np.zeros((500, 500), np.uint8)
    image[5, 5] = image[-5, -5] = 255
    framed = frame_unless_blank(image)
    assert framed is None or framed.any()


@pytest.mark.parametrize("side", [29, 64, 128])
def test_a_digit_that_touches_the_border_is_found_as_well_as_one_with_a_margin(side):
    for image in load_digits().images[::9]:
        tight = np.asarray(PIL.Image.fromarray((image * 255 / 16).astype(np.uint8)).resize((side, side)))
        expected = frame(np.pad(tight, side // 3)).astype(float)
        for picture in (tight, 255 - tight):
            assert np.corrcoef(frame(picture).astype(float).ravel(), expected.ravel())[0, 1] > 0.8
