import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenetx_runtime import InputError
from lenetx_runtime.preprocess import decode, frame, frame_batch

QUICK = settings(deadline=None, derandomize=True, max_examples=60)


def specimens(seven):
    """28×28 images that pass through, and others that need work."""
    return [seven, 255 - seven, seven // 3 + 40, np.roll(seven, 5, axis=0), np.rot90(seven), 250 - seven // 4]


@QUICK
@given(st.lists(st.integers(0, 5), min_size=1, max_size=9))
def test_a_batch_of_28_by_28_images_is_the_frame_of_each(seven, spec, chosen):
    images = np.stack([specimens(seven)[index] for index in chosen])
    frames = frame_batch(images, spec)
    assert frames.dtype == np.uint8
    np.testing.assert_array_equal(frames, np.stack([frame(image, spec) for image in images]))


@pytest.mark.parametrize("shape", [(8, 8), (28, 29), (45, 31), (1, 40)])
def test_a_batch_of_another_size_is_the_frame_of_each(spec, shape):
    images = np.random.default_rng(1).integers(0, 256, (7, *shape), np.uint8)
    np.testing.assert_array_equal(frame_batch(images, spec), np.stack([frame(image, spec) for image in images]))


@pytest.mark.parametrize("border", [15, 16])
def test_a_batch_draws_the_line_of_a_dark_border_where_frame_does(seven, spec, border):
    image = np.maximum(seven, border)
    np.testing.assert_array_equal(frame_batch(image[None], spec)[0], frame(image, spec))
    assert np.array_equal(frame(image, spec), image) == (border < 16)


def test_a_border_half_dark_and_half_light_is_judged_alike(seven, spec):
    image = seven.copy()
    image[0], image[-1, :], image[1:-1, 0] = 31, 31, 31
    image[1:-1, -1] = 0
    image[0, :2] = 0
    np.testing.assert_array_equal(frame_batch(image[None], spec)[0], frame(image, spec))


@pytest.mark.parametrize("shape", [(28, 28), (8, 8)])
def test_a_batch_of_no_images_gives_no_frames(spec, shape):
    assert frame_batch(np.empty((0, *shape), np.uint8), spec).shape == (0, 28, 28)


@pytest.mark.parametrize("shape", [(28, 28), (8, 8)])
@pytest.mark.parametrize("level", [0, 200])
def test_a_blank_image_in_a_batch_is_refused(spec, shape, level):
    images = np.random.default_rng(1).integers(0, 256, (3, *shape), np.uint8)
    images[1] = level
    with pytest.raises(InputError, match="blank"):
        frame_batch(images, spec)


def test_a_batch_leaves_its_images_alone(seven, spec):
    images = np.stack(specimens(seven))
    kept = images.copy()
    frame_batch(images, spec)[:] = 0
    np.testing.assert_array_equal(images, kept)


@pytest.mark.parametrize("framing", ["stretch", "letterbox"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3), (9, 14), (9, 14, 3), (31, 7, 3)])
def test_a_batch_for_another_framing_is_the_frame_of_each_decoded(spec_for, framing, channels, shape):
    spec = spec_for(framing, channels, 20, 30)
    images = np.random.default_rng(1).integers(0, 256, (4, *shape), np.uint8)
    frames = frame_batch(images, spec)
    assert frames.dtype == np.uint8
    assert frames.shape == (4, 20, 30, 3)[: 4 if channels == 3 else 3]
    np.testing.assert_array_equal(frames, np.stack([frame(decode(image, channels), spec) for image in images]))
    frames[:] = 0
    assert images.any()
    assert frame_batch(images[:0], spec).shape == (0, *frames.shape[1:])


def test_colour_images_of_digits_are_framed_by_their_luma(spec, colourful):
    images = np.stack([np.asarray(colourful.convert("RGB"))] * 2)
    np.testing.assert_array_equal(frame_batch(images, spec)[1], frame(decode(images[0]), spec))


@pytest.mark.skipif(not os.environ.get("LENETX_DATA"), reason="LENETX_DATA does not name a folder with MNIST")
def test_every_test_image_of_mnist_passes_through_unchanged(spec):
    raw = Path(os.environ["LENETX_DATA"], "MNIST", "raw", "t10k-images-idx3-ubyte").read_bytes()
    assert np.frombuffer(raw, ">i4", 4).tolist() == [0x803, 10_000, 28, 28]
    images = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28)
    np.testing.assert_array_equal(frame_batch(images, spec), images)
    for image in images:
        assert frame(image, spec).tobytes() == image.tobytes()
