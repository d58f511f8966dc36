import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lenetx_runtime import InputError
from lenetx_runtime.preprocess import decode

QUICK = settings(deadline=None, derandomize=True, max_examples=200)
LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_float_image_gives_back_every_level(dtype):
    np.testing.assert_array_equal(decode((LEVELS / 255).astype(dtype)), LEVELS)


def test_sixteen_bits_are_divided_by_257_and_rounded_for_every_level():
    wide = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(decode(wide), np.floor(wide / 257 + 0.5).astype(np.uint8))


def test_bool_is_black_and_white():
    np.testing.assert_array_equal(decode(LEVELS > 99), np.where(LEVELS > 99, 255, 0))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("scale", [np.uint8(1), np.uint16(257), np.float64(1 / 255)])
def test_grey_in_any_number_of_channels_and_any_dtype_is_that_grey(channels, scale):
    image = np.repeat((LEVELS * scale)[:, :, None], channels, axis=2)
    if channels == 4:
        image[:, :, 3] = np.iinfo(image.dtype).max if image.dtype == np.uint16 else 255 * scale
    np.testing.assert_array_equal(decode(image), LEVELS)


VIEWS = {
    "upside down": lambda array: array[::-1],
    "every second column": lambda array: array[:, ::2],
    "transposed": lambda array: array.swapaxes(0, 1),
    "column by column": np.asfortranarray,
    "read-only": lambda array: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("depth", [(), (1,), (3,), (4,)])
def test_the_memory_layout_of_an_array_does_not_matter(view, depth):
    seen = VIEWS[view](np.random.default_rng(5).integers(0, 256, (8, 8, *depth), np.uint8))
    np.testing.assert_array_equal(decode(seen), decode(seen.copy(order="C")))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((), np.uint8),
        np.zeros(9, np.uint8),
        np.zeros((1, 9, 9), np.uint8),
        np.zeros((3, 9, 9), np.uint8),
        np.zeros((9, 9, 2), np.uint8),
        np.zeros((9, 9, 5), np.uint8),
        np.zeros((1, 9, 9, 3), np.uint8),
    ],
    ids=lambda array: str(array.shape),
)
def test_another_rank_or_channel_count_is_refused_with_the_shape_that_came(array):
    with pytest.raises(InputError, match="H×W") as caught:
        decode(array)
    assert f"{array.dtype}[{', '.join(map(str, array.shape))}]" in str(caught.value)


@pytest.mark.parametrize("dtype", ["complex64", "O", "U1", "M8[s]"])
def test_another_dtype_is_refused_by_name(dtype):
    with pytest.raises(InputError, match="bool, of whole numbers in 0 to 255") as caught:
        decode(np.zeros((9, 9), dtype))
    assert str(np.dtype(dtype)) in str(caught.value)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, -0.01, 1.01, 255.0])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_float_outside_its_range_is_refused(wrong, dtype):
    array = np.full((9, 9), 0.5, dtype)
    array[4, 4] = wrong
    with pytest.raises(InputError, match=r"0\.0 to 1\.0"):
        decode(array)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "int64", "uint32", "uint64", "float32", "float64"])
def test_whole_numbers_of_8_bits_are_levels_in_any_dtype(dtype):
    np.testing.assert_array_equal(decode(LEVELS.astype(dtype)), LEVELS)


@pytest.mark.parametrize("white", [1023, 4095, 65535])
@pytest.mark.parametrize("dtype", ["uint16", "int32", "uint64"])
def test_whole_numbers_of_more_bits_are_scaled_by_the_fewest_that_hold_them(white, dtype):
    deep = np.rint(LEVELS / 255 * white).astype(dtype)
    np.testing.assert_array_equal(decode(deep), LEVELS)


@pytest.mark.parametrize("wrong", [-1, 65536])
def test_whole_numbers_outside_their_range_are_refused(wrong):
    with pytest.raises(InputError, match=f"{wrong}.*0 to 255 or 0 to 65535"):
        decode(np.full((9, 9), wrong, np.int64))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_that_were_divided_by_255_twice_are_no_black_image(dtype):
    np.testing.assert_array_equal(decode(LEVELS.astype(dtype) / 255 / 255), LEVELS)


@pytest.mark.parametrize("shape", [(0, 9), (9, 0), (0, 0), (0, 9, 3), (9, 0, 4), (0, 9, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.bool_, np.float32])
def test_an_array_without_pixels_is_refused(shape, dtype):
    with pytest.raises(InputError, match="no pixels"):
        decode(np.zeros(shape, dtype))


def test_an_array_of_too_many_pixels_is_refused_before_it_is_touched():
    endless = np.broadcast_to(np.uint8(0), (30_000, 30_000))
    with pytest.raises(InputError, match="25,000,000 pixels"):
        decode(endless)


@QUICK
@given(
    hnp.arrays(
        dtype=st.one_of(hnp.scalar_dtypes(), st.sampled_from([np.dtype("u1"), np.dtype("f4"), np.dtype("?")])),
        shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    )
)
def test_any_array_gives_grey_levels_of_its_size_or_an_input_error(array):
    try:
        levels = decode(array)
    except InputError:
        return
    assert levels.dtype == np.uint8
    assert levels.shape == array.shape[:2]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", ">f4", "u2", ">u2"])
@pytest.mark.parametrize("shape", [(2000, 1000, 4), (1, 2000000, 3), (2000000, 1)])
def test_numbers_on_the_way_take_little_memory(dtype, shape):
    """Arrays of the largest size took several GiB; a broadcast one takes none itself."""
    array = np.broadcast_to(np.dtype(dtype).type(1), shape)
    tracemalloc.start()
    try:
        levels = decode(array)
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()
    assert levels.shape == shape[:2]


@pytest.mark.parametrize("dtype", ["u2", "f2", "f4", "f8"])
def test_the_order_of_bytes_makes_no_difference(dtype):
    array = (LEVELS.astype("u2") * 257 if dtype == "u2" else LEVELS / 255).astype(dtype)
    np.testing.assert_array_equal(decode(array.astype(array.dtype.newbyteorder())), decode(array))


@pytest.mark.parametrize("value", [1e-310, 5e-324])
def test_a_host_that_makes_events_errors_gets_levels(value):
    with np.errstate(all="raise"):
        assert not decode(np.full((3, 3), value)).any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.longdouble])
@pytest.mark.parametrize("depth", [1, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_order_in_memory_changes_nothing(dtype, depth, channels):
    levels = np.random.default_rng(8).integers(0, 256, (40, 1000, depth))
    array = (levels / 255).astype(dtype) if dtype(0.5) else (levels * (256 if dtype == np.uint16 else 1)).astype(dtype)
    expected = decode(array, channels)
    for other in (np.asfortranarray(array), array.swapaxes(0, 1).copy().swapaxes(0, 1), array[::-1].copy()[::-1]):
        found = decode(other, channels)
        np.testing.assert_array_equal(found, expected)
