"""A photo or scan of a digit: uneven light, noise, either polarity, specks, lines and boxes."""

import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenetx_runtime import Classifier, InputError
from lenetx_runtime.preprocess.framing.mnist import frame

ROOT = Path(__file__).parents[2]
HEIGHT, WIDTH = 240, 320
QUICK = settings(deadline=None, derandomize=True, max_examples=40)
Y, X = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]

LIGHTS = {
    "even": np.ones((HEIGHT, WIDTH)),
    "falling": 1 - 0.24 * (1 + X),
    "falling aslant": 1 - 0.12 * (2 + X - Y),
    "vignette": 1 - (X**2 + Y**2) / 4,
    "shadow": 1 - 0.4 / (1 + np.exp(-12 * (X + 0.5 * Y))),
    "lamp": 0.45 + 0.55 * np.exp(-2 * ((X - 0.6) ** 2 + (Y + 0.4) ** 2)),
}
LIGHTS["falling, vignette and shadow"] = np.sqrt(LIGHTS["falling"]) * LIGHTS["vignette"] * LIGHTS["shadow"]
every_light = pytest.mark.parametrize("light", LIGHTS.values(), ids=LIGHTS)


@pytest.fixture(scope="module")
def reference():
    with Classifier(ROOT / "artifacts" / "reference" / "lenet5.onnx") as classifier:
        yield classifier


@pytest.fixture(scope="module")
def drawn():
    """A seven as a model would be given it: uint8[28, 28], light ink on black."""
    return frame(np.asarray(PIL.Image.open(ROOT / "examples" / "seven.png").convert("L")))


def placed(digit, times=5, top=40, left=60, shape=(HEIGHT, WIDTH)):
    """Return uint8[shape]: the digit, enlarged, on black."""
    large = np.asarray(PIL.Image.fromarray(digit).resize([side * times for side in digit.shape[::-1]]))
    canvas = np.zeros(shape, np.uint8)
    canvas[top : top + large.shape[0], left : left + large.shape[1]] = large
    return canvas


def photo(ink, light, noise=3.0, absorbs=0.75, gain=1.0, seed=0):
    """Return dark ink, pressed harder on one side, on light paper."""
    random = np.random.default_rng(seed)
    pressed = ink / 255 * (0.88 + 0.12 * X)
    levels = 230 * gain * (1 - absorbs * pressed) * light + random.normal(0, noise, ink.shape)
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def alike(one, other):
    """Return the best correlation of two frames, one moved by a pixel at most: the centre of mass is rounded."""
    moves = [np.roll(other, (down, right), axis=(0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return max(np.corrcoef(one.ravel(), moved.ravel())[0, 1] for moved in moves)


@every_light
@pytest.mark.parametrize("noise", [0.5, 3, 10])
def test_a_photo_gives_nearly_the_frame_of_the_drawing(drawn, light, noise):
    ink = placed(drawn)
    assert alike(frame(photo(ink, light, noise)), frame(ink)) > 0.92


@every_light
def test_the_digit_on_a_photo_is_read_wherever_it_stands_and_however_large_it_is(reference, drawn, light):
    for times, top, left in [(2, 8, 20), (3, 140, 220), (5, 90, 10), (8, 8, 80)]:
        picture = photo(placed(drawn, times, top, left), light)
        assert reference.predict(picture).label == "7"


@every_light
def test_a_negative_of_a_photo_gives_the_same_frame(drawn, light):
    picture = photo(placed(drawn), light)
    np.testing.assert_array_equal(frame(255 - picture), frame(picture))


@QUICK
@given(
    top=st.integers(5, 95),
    left=st.integers(5, 175),
    light=st.sampled_from(sorted(LIGHTS)),
    seed=st.integers(0, 99),
    noise=st.floats(0.5, 8),
)
def test_where_the_digit_stands_does_not_change_what_it_is(reference, drawn, top, left, light, seed, noise):
    assert reference.predict(photo(placed(drawn, 5, top, left), LIGHTS[light], noise, seed=seed)).label == "7"


@pytest.mark.parametrize(("absorbs", "gain"), [(0.3, 1), (0.95, 1), (0.75, 1.6), (0.75, 0.4)])
def test_faint_ink_and_over_and_underexposed_photos_are_read(reference, drawn, absorbs, gain):
    picture = photo(placed(drawn), LIGHTS["falling"], absorbs=absorbs, gain=gain)
    assert reference.predict(picture).label == "7"


@every_light
def test_small_digits_in_faint_ink_are_read(reference, drawn, light):
    for times, top, left in [(2, 170, 250), (3, 20, 20), (3, 150, 230)]:
        assert reference.predict(photo(placed(drawn, times, top, left), light, absorbs=0.3)).label == "7"


def test_the_digit_is_read_where_most_of_the_border_is_overexposed(reference, drawn):
    light = 1 - 0.4 / (1 + np.exp(-12 * (X + 0.5 * Y - 0.5)))
    picture = photo(placed(drawn, 4, 120, 200), light, gain=1.5)
    assert np.mean(np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]) == 255) > 0.55
    assert reference.predict(picture).label == "7"


def test_the_bright_middle_of_blank_paper_is_no_light_ink():
    y, x = np.mgrid[-1:1:480j, -1:1:640j]
    for seed in range(3):
        levels = 230 * (1 - (x**2 + y**2) / 4) + np.random.default_rng(seed).normal(0, 3, x.shape)
        with pytest.raises(InputError, match="blank"):
            frame(levels.round().clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("light", "noise"),
    [(light, noise) for light in ("even", "falling", "falling aslant", "shadow") for noise in (1, 5, 12)]
    + [("vignette", 1)],
)
def test_paper_without_ink_is_refused(light, noise):
    for seed in range(5):
        with pytest.raises(InputError, match="blank"):
            frame(photo(np.zeros((HEIGHT, WIDTH)), LIGHTS[light], noise, seed=seed))


def test_the_noise_of_a_photo_as_small_as_a_frame_is_no_ink():
    picture = np.random.default_rng(0).normal(200, 4, (28, 28)).round().astype(np.uint8)
    with pytest.raises(InputError, match="blank"):
        frame(picture)


def test_a_picture_that_is_nothing_but_strong_noise_is_not_called_blank():
    assert frame(np.random.default_rng(0).integers(0, 256, (45, 31), np.uint8)).any()


def with_specks(ink):
    spoilt = ink.copy()
    for top, left in [(3, 5), (200, 300), (120, 250), (226, 30)]:
        spoilt[top : top + 4, left : left + 4] = 255
    return spoilt


def with_box(ink):
    spoilt = ink.copy()
    spoilt[10:13, 10:-10], spoilt[-13:-10, 10:-10] = 255, 255
    spoilt[10:-10, 10:13], spoilt[10:-10, -13:-10] = 255, 255
    return spoilt


def with_line(ink):
    spoilt = ink.copy()
    spoilt[210:213] = 255
    return spoilt


def with_edge(ink):
    """The table under the paper, along one side."""
    spoilt = ink.copy()
    spoilt[:, -25:] = 255
    return spoilt


SPOILERS = [with_specks, with_box, with_line, with_edge]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_specks_boxes_lines_and_edges_are_no_part_of_a_drawn_digit(drawn, spoil):
    ink = placed(drawn)
    np.testing.assert_array_equal(frame(spoil(ink)), frame(ink))
    np.testing.assert_array_equal(frame(255 - spoil(ink)), frame(ink))


@pytest.mark.parametrize("spoil", SPOILERS)
@every_light
def test_specks_boxes_lines_and_edges_are_no_part_of_a_photographed_digit(reference, drawn, spoil, light):
    assert reference.predict(photo(spoil(placed(drawn)), light)).label == "7"


def test_a_drawing_of_a_box_alone_is_framed():
    framed = frame(with_box(np.zeros((HEIGHT, WIDTH), np.uint8)))
    assert framed[:, 14].any()
    assert not framed[12:16, 12:16].any()


def test_the_parts_of_a_digit_that_is_drawn_in_pieces_stay_together():
    """A five whose hat stands off, and a dotted zero: the dot is no digit in a box."""
    five = np.zeros((200, 200), np.uint8)
    five[40:50, 80:130], five[58:110, 70:80], five[100:110, 70:120], five[110:160, 115:125] = 255, 255, 255, 255
    ys, xs = np.mgrid[:200, :200]
    ring = np.hypot((ys - 100) / 1.4, xs - 100)
    zero = np.where(((ring > 40) & (ring < 50)) | (np.hypot(ys - 100, xs - 100) < 9), 255, 0).astype(np.uint8)
    rows, columns = np.flatnonzero(frame(five).any(axis=1)), np.flatnonzero(frame(five).any(axis=0))
    assert rows[-1] - rows[0] == 19
    assert columns[-1] - columns[0] in (9, 10, 11)
    assert frame(zero)[14, 14] > 100


@pytest.mark.skipif(not os.environ.get("LENETX_DATA"), reason="LENETX_DATA does not name a folder with MNIST")
@every_light
def test_photographed_mnist_is_read_as_well_as_mnist(reference, light):
    raw = Path(os.environ["LENETX_DATA"], "MNIST", "raw")
    images = np.frombuffer((raw / "t10k-images-idx3-ubyte").read_bytes(), np.uint8, offset=16).reshape(-1, 28, 28)
    labels = np.frombuffer((raw / "t10k-labels-idx1-ubyte").read_bytes(), np.uint8, offset=8)
    random = np.random.default_rng(3)
    photos = [
        photo(placed(image, 5, *random.integers(2, (98, 178))), light, seed=seed)
        for seed, image in enumerate(images[::100])
    ]
    answers = [answer.index for answer in reference.predict_batch(photos)]
    assert np.mean(answers == labels[::100]) >= 0.97


@pytest.mark.parametrize("noise", [20, 30])
@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (0, 255)])
def test_noise_of_which_half_is_cut_off_at_white_or_black_is_no_drawing(seven, paper, ink, noise):
    """Every other pixel of the border has one level, as that of a drawing has; the rest is no ink."""
    digit = np.kron(seven, np.ones((8, 8))) / 255
    page = np.full((400, 400), float(paper))
    page[88:312, 88:312] += (ink - paper) * digit
    clean = frame(page.astype(np.uint8))
    noisy = page + np.random.default_rng(0).normal(0, noise, page.shape)
    found = frame(np.clip(noisy, 0, 255).astype(np.uint8))
    assert np.corrcoef(found.ravel(), clean.ravel())[0, 1] > 0.7
