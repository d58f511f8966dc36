"""Quick ways to a frame are ways to the same frame."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lenetx_runtime import InputError, ModelSpec
from lenetx_runtime.preprocess import Normaliser, decode, frame, lookup_table, normalise, planes
from lenetx_runtime.preprocess.frames import Framer, is_frame
from lenetx_runtime.preprocess.framing import are_frames

QUICK = settings(deadline=None, derandomize=True, max_examples=300)
levels = st.sampled_from([0, 1, 15, 16, 17, 128, 255])


@QUICK
@given(hnp.arrays(np.uint8, (28, 28), elements=levels, fill=levels))
def test_one_image_is_a_frame_where_many_are(image):
    assert is_frame(image) == are_frames(image[None])[0]
    assert is_frame(image.T) == are_frames(image.T[None])[0]


@pytest.mark.parametrize("dark", range(50, 60))
def test_the_border_is_dark_by_more_than_half(dark):
    image = np.full((28, 28), 16, np.uint8)
    border = [(row, column) for row in range(28) for column in range(28) if {row, column} & {0, 27}]
    for place in border[:dark]:
        image[place] = 15
    image[14, 14] = 128
    assert is_frame(image) == are_frames(image[None])[0] == (dark > 54)


PICTURES = {
    "frame": lambda seven: seven,
    "inverted frame": lambda seven: 255 - seven,
    "turned frame": lambda seven: seven.T,
    "floats": lambda seven: seven / 255,
    "other size": lambda seven: np.pad(seven, 9),
    "colour": lambda seven: np.repeat(seven[:, :, None], 3, axis=2),
    "16 bits": lambda seven: seven.astype(np.uint16) * 257,
}


@pytest.fixture
def framer(spec):
    return Framer(spec)


@pytest.mark.parametrize("kind", PICTURES)
def test_every_picture_becomes_what_frame_makes_of_it(framer, spec, seven, kind):
    picture = PICTURES[kind](seven)
    expected = frame(decode(picture), spec)
    assert (framer.one(picture) == expected).all()
    for several in ([picture] * 3, (picture, seven, picture), np.stack([picture] * 3)):
        frames, problem = framer.several(several, 0)
        assert problem is None
        assert frames.shape == (3, 28, 28)
        assert (frames[[0, 2]] == expected).all()


@pytest.mark.parametrize("bad", [0, 1, 2])
@pytest.mark.parametrize("size", [28, 40])
def test_of_several_those_before_a_bad_one_are_given_with_its_position(framer, seven, bad, size):
    images = [seven] * 3
    images[bad] = np.full((size, size), 7, np.uint8)
    frames, problem = framer.several(images, 640)
    assert len(frames) == bad
    assert isinstance(problem, InputError)
    assert str(problem).startswith(f"Image {640 + bad}: The image is blank")


LAYOUTS = {
    "in one piece": lambda seven: seven.copy(),
    "columns first": np.asfortranarray,
    "every other pixel": lambda seven: np.repeat(np.repeat(seven, 2, axis=0), 2, axis=1)[::2, ::2],
    "upside down twice": lambda seven: seven[::-1].copy()[::-1],
    "not to be written": lambda seven: np.frombuffer(seven.tobytes(), np.uint8).reshape(28, 28),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_are_read_however_they_lie_in_memory(framer, seven, layout):
    frames, problem = framer.several([seven, LAYOUTS[layout](seven), seven], 0)
    assert problem is None
    assert (frames == seven).all()


LOOKALIKES = {
    "as many pixels": lambda seven: seven.reshape(14, 56),
    "as many bytes": lambda seven: seven.view(np.int8),
    "no array": lambda seven: seven.tolist(),
    "masked": lambda seven: np.ma.masked_array(seven, seven > 0),
}


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("kind", LOOKALIKES)
def test_what_only_looks_like_a_frame_is_read_by_itself(framer, spec, seven, kind, position):
    images = [seven] * 3
    images[position] = LOOKALIKES[kind](seven)
    frames, problem = framer.several(images, 0)
    if kind == "as many pixels":
        assert problem is None
        np.testing.assert_array_equal(frames[position], frame(images[position], spec))
    else:
        assert len(frames) == position
        assert isinstance(problem, InputError)


def test_of_nothing_there_are_no_frames(framer):
    for nothing in ([], (), np.empty((0, 28, 28), np.uint8), np.empty((0, 9, 9), np.uint8)):
        frames, problem = framer.several(nothing, 0)
        assert (frames.shape, frames.dtype, problem) == ((0, 28, 28), np.uint8, None)


def test_frames_that_were_given_are_not_changed(framer, seven):
    given = np.stack([seven, 255 - seven, seven])
    before = given.copy()
    frames, _ = framer.several(given, 0)
    assert (given == before).all()
    assert (frames[1] != given[1]).any()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 64, 65, 200])
def test_inputs_are_the_tables_values_of_the_planes(spec_fields, channels, count):
    values = {"mean": (0.1, 0.2, 0.3)[:channels], "std": (0.5, 0.6, 0.7)[:channels], "channels": channels}
    spec = ModelSpec(**spec_fields | values | ({} if channels == 1 else {"framing": "stretch", "polarity": "as_is"}))
    shape = (count, 28, 28) if channels == 1 else (count, 28, 28, 3)
    frames = np.random.default_rng(count).integers(0, 256, shape, np.uint8)
    table, raised = lookup_table(spec), planes(frames, spec)
    expected = np.stack([table[channel][raised[:, channel]] for channel in range(channels)], axis=1)
    found = Normaliser(spec).inputs(frames)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))
    np.testing.assert_array_equal(normalise(frames, spec), expected)
    for size in (1, 7, 64, 1000):
        parts = [part.copy() for part in Normaliser(spec).parts(frames, size)]
        assert [len(part) for part in parts] == [min(size, count - start) for start in range(0, count, size)]
        np.testing.assert_array_equal(np.concatenate([expected[:0], *parts]), expected)
