"""Three channels by the rules of one: every road agrees, and grey is colour with equal channels."""

import io

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lenetx_runtime import InputError
from lenetx_runtime.preprocess import decode

QUICK = settings(deadline=None, derandomize=True, max_examples=150)
LOSSLESS = {
    "PNG": ["L", "I;16", "RGB", "RGBA", "LA", "P", "1"],
    "BMP": ["L", "RGB", "P", "1"],
    "WEBP": ["RGB", "RGBA", "LA"],
    "GIF": ["L", "P", "1"],
}
CASES = [(file_format, mode) for file_format, modes in LOSSLESS.items() for mode in modes]
GREY = ("L", "I;16", "LA", "1")


def in_mode(colourful, mode):
    if mode == "I;16":
        return PIL.Image.fromarray(np.arange(17 * 23, dtype=np.uint16).reshape(17, 23) * 167)
    return colourful.convert("RGB").quantize(16) if mode == "P" else colourful.convert(mode)


def luma(rgb):
    return np.asarray(PIL.Image.fromarray(rgb).convert("L"))


def expected(image):
    """What the documentation says, in float64."""
    if image.mode in GREY:
        return np.repeat(decode(image)[:, :, None], 3, axis=2)
    if image.mode != "RGBA":
        return np.asarray(image.convert("RGB"))
    rgba = np.asarray(image)
    alpha = rgba[..., 3:] / 255
    background = 255 if (luma(rgba[..., :3]) * alpha[..., 0]).sum() < 128 * alpha.sum() else 0
    return np.rint(rgba[..., :3] * alpha + background * (1 - alpha)).astype(np.uint8)


@pytest.mark.parametrize(("file_format", "mode"), CASES)
def test_path_bytes_pillow_and_array_agree_to_the_bit(tmp_path, colourful, encode, as_array, file_format, mode):
    image = in_mode(colourful, mode)
    data = encode(image, file_format, **({"lossless": True} if file_format == "WEBP" else {}))
    path = tmp_path / f"picture.{file_format.lower()}"
    path.write_bytes(data)
    levels = expected(image)
    for road in (path, str(path), data, PIL.Image.open(io.BytesIO(data)), image, as_array(image)):
        decoded = decode(road, 3)
        assert decoded.dtype == np.uint8
        np.testing.assert_array_equal(decoded, levels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_colour_is_turned_as_the_exif_orientation_says(colourful, encode, orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    rgb = colourful.convert("RGB")
    upright = [decode(encode(plane, "PNG", exif=exif)) for plane in rgb.split()]
    np.testing.assert_array_equal(decode(encode(rgb, "PNG", exif=exif), 3), np.stack(upright, axis=2))


DTYPES = [np.uint8, np.uint16, np.bool_, np.float32, np.float64]


def in_dtype(levels, dtype):
    if dtype == np.bool_:
        return levels > 99
    return (
        levels if dtype == np.uint8 else levels.astype(np.uint16) * 257 if dtype == np.uint16 else levels / dtype(255)
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", [(), (1,), (3,), (4,)])
def test_each_channel_of_an_array_follows_the_rules_of_grey(dtype, depth):
    levels = np.random.default_rng(5).integers(0, 256, (8, 9, *depth), np.uint8)
    if depth == (4,):
        levels[:, :, 3] = 255
    array = in_dtype(levels, dtype)
    planes = [array[:, :, channel] for channel in range(3)] if depth in ((3,), (4,)) else [array] * 3
    np.testing.assert_array_equal(decode(array, 3), np.stack([decode(plane) for plane in planes], axis=2))


@pytest.mark.parametrize("view", [lambda a: a[::-1], lambda a: a[:, ::2], np.asfortranarray, lambda a: a[:, :, ::-1]])
@pytest.mark.parametrize("depth", [3, 4])
def test_the_memory_layout_of_an_array_does_not_matter(view, depth):
    seen = view(np.random.default_rng(5).integers(0, 256, (8, 8, depth), np.uint8))
    np.testing.assert_array_equal(decode(seen, 3), decode(seen.copy(order="C"), 3))


@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_ink_gets_one_background_in_all_channels(channels):
    for ink, paper in (((0, 0, 90), 255), ((255, 255, 120), 0)):
        rgba = np.zeros((9, 9, 4), np.uint8)
        rgba[3:6, 3:6] = (*ink, 255)
        levels = decode(rgba, channels)
        assert (levels[0, 0] == paper).all()
        assert channels == 1 or levels[4, 4].tolist() == list(ink)


@QUICK
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]))))
def test_the_luma_of_three_channels_is_what_one_channel_gives(array):
    rgb = decode(array, 3)
    assert rgb.shape == (*array.shape[:2], 3)
    np.testing.assert_array_equal(luma(rgb), decode(array))


@QUICK
@given(
    hnp.arrays(
        dtype=st.one_of(hnp.scalar_dtypes(), st.sampled_from([np.dtype("u1"), np.dtype("f4"), np.dtype("?")])),
        shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    )
)
def test_any_array_gives_colours_of_its_size_or_an_input_error(array):
    try:
        levels = decode(array, 3)
    except InputError:
        return
    assert levels.dtype == np.uint8
    assert levels.shape == (*array.shape[:2], 3)


@pytest.mark.parametrize("channels", [0, 2, 4])
def test_another_number_of_channels_is_refused(seven, channels):
    with pytest.raises(InputError, match=f"to 1 channel or to 3, not to {channels}"):
        decode(seven, channels)


def test_decoding_leaves_the_callers_image_alone(colourful):
    array = np.array(colourful)
    kept = array.copy()
    decode(array, 3)
    np.testing.assert_array_equal(array, kept)
