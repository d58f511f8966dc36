import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import lookup_table, normalise, planes

QUICK = settings(deadline=None, derandomize=True, max_examples=100)
FRAMES = np.random.default_rng(3).integers(0, 256, (3, 28, 28), np.uint8)


@QUICK
@given(mean=st.floats(-2, 2), std=st.floats(0.01, 10), scale=st.sampled_from([1 / 255, 1.0, 1 / 256]))
def test_every_level_is_rounded_once_from_float64(spec_fields, mean, std, scale):
    spec = ModelSpec(**spec_fields | {"mean": (mean,), "std": (std,), "scale": scale})
    tables = lookup_table(spec)
    assert tables.dtype == np.float32
    assert tables.tolist() == [[float(np.float32((level * scale - mean) / std)) for level in range(256)]]


@QUICK
@given(numbers=st.lists(st.tuples(st.floats(-2, 2), st.floats(0.01, 10)), min_size=3, max_size=3))
def test_every_channel_has_the_table_that_it_would_have_alone(spec_fields, spec_for, numbers):
    means, stds = zip(*numbers, strict=True)
    tables = lookup_table(dataclasses.replace(spec_for("stretch", 3, 5, 5), mean=means, std=stds))
    assert tables.shape == (3, 256)
    for table, mean, std in zip(tables, means, stds, strict=True):
        alone = ModelSpec(**spec_fields | {"mean": (mean,), "std": (std,)})
        assert table.tobytes() == lookup_table(alone)[0].tobytes()


def test_each_pixel_of_the_input_comes_from_the_table(spec):
    inputs = normalise(FRAMES, spec)
    assert inputs.shape == (3, 1, 32, 32)
    assert inputs.dtype == np.float32
    np.testing.assert_array_equal(inputs[:, 0, 2:-2, 2:-2], lookup_table(spec)[0, FRAMES])


@pytest.mark.parametrize("padding", [0, 3])
def test_each_channel_of_the_input_comes_from_its_own_table(spec_for, padding):
    spec = spec_for("letterbox", 3, 9 + 2 * padding, 12 + 2 * padding, padding)
    frames = np.random.default_rng(4).integers(0, 256, (5, 9, 12, 3), np.uint8)
    inputs = normalise(frames, spec)
    assert inputs.shape == (5, 3, 9 + 2 * padding, 12 + 2 * padding)
    assert inputs.dtype == np.float32
    assert inputs.flags.c_contiguous
    black = lookup_table(spec)[:, 0]
    for channel, table in enumerate(lookup_table(spec)):
        padded = np.pad(
            table[frames[..., channel]], ((0, 0), *[(padding, padding)] * 2), constant_values=black[channel]
        )
        np.testing.assert_array_equal(inputs[:, channel], padded)


def test_padding_is_normalised_background_and_not_zero(spec):
    inputs = normalise(FRAMES, spec)
    rim = np.ones((32, 32), bool)
    rim[2:-2, 2:-2] = False
    assert set(inputs[:, 0, rim].ravel().tolist()) == {float(np.float32(-0.1307 / 0.3081))}


@pytest.mark.parametrize(("padding", "side"), [(0, 28), (2, 32), (5, 38)])
def test_padding_surrounds_the_frame_with_black(spec_fields, padding, side):
    spec = ModelSpec(**spec_fields | {"padding": padding, "height": side, "width": side})
    padded = planes(FRAMES, spec)
    assert padded.shape == (3, 1, side, side)
    np.testing.assert_array_equal(padded[:, 0, padding : side - padding, padding : side - padding], FRAMES)
    assert padded.sum() == FRAMES.sum()
    assert normalise(FRAMES, spec).shape == (3, *spec.input_shape)


def test_no_frames_give_no_inputs(spec):
    assert normalise(FRAMES[:0], spec).shape == (0, 1, 32, 32)


def test_one_frame_gives_the_same_bits_alone_and_in_a_batch(spec):
    together = normalise(FRAMES, spec)
    for index in range(len(FRAMES)):
        assert normalise(FRAMES[index : index + 1], spec).tobytes() == together[index : index + 1].tobytes()
