"""The same picture gives the same grey levels, however it comes."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from lenetx_runtime.preprocess import decode

LOSSLESS = {
    "PNG": ["L", "I;16", "RGB", "RGBA", "LA", "P", "P transparent", "1"],
    "BMP": ["L", "RGB", "P", "1"],
    "WEBP": ["L", "RGB", "RGBA", "LA", "P", "1"],
    "GIF": ["L", "P", "P transparent", "1"],
}
CASES = [(file_format, mode) for file_format, modes in LOSSLESS.items() for mode in modes]


def luma(rgb):
    """ITU-R 601-2 in 16-bit fixed point, rounded: independent of Pillow."""
    red, green, blue = np.moveaxis(rgb.astype(np.int64), -1, 0)
    return ((19595 * red + 38470 * green + 7471 * blue + 2**15) >> 16).astype(np.uint8)


def laid_on_background(rgba):
    alpha, grey = rgba[..., 3] / 255, luma(rgba[..., :3]).astype(np.float64)
    background = 255 if (grey * alpha).sum() < 128 * alpha.sum() else 0
    return np.rint(grey * alpha + background * (1 - alpha)).astype(np.uint8)


def in_mode(colourful, mode):
    if mode == "I;16":
        return PIL.Image.fromarray(np.arange(17 * 23, dtype=np.uint16).reshape(17, 23) * 167)
    if mode == "P":
        return colourful.convert("RGB").quantize(16)
    if mode == "P transparent":
        image = colourful.convert("RGB").quantize(16)
        image.info["transparency"] = 3
        return image
    return colourful.convert(mode)


def expected(image):
    if image.mode == "I;16":
        return np.floor(np.asarray(image) / 257 + 0.5).astype(np.uint8)
    if image.has_transparency_data:
        return laid_on_background(np.asarray(image.convert("RGBA")))
    return luma(np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(("file_format", "mode"), CASES)
def test_path_bytes_pillow_and_array_agree_to_the_bit(tmp_path, colourful, encode, as_array, file_format, mode):
    image = in_mode(colourful, mode)
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = encode(image, file_format, **options)
    path = tmp_path / f"picture.{file_format.lower()}"
    path.write_bytes(data)
    levels = expected(image)
    for given in (path, str(path), data, PIL.Image.open(io.BytesIO(data)), image, as_array(image)):
        decoded = decode(given)
        assert decoded.dtype == np.uint8
        np.testing.assert_array_equal(decoded, levels)


def test_the_name_of_a_file_does_not_matter(tmp_path, colourful, encode):
    path = tmp_path / "picture.jpg"
    path.write_bytes(encode(colourful, "PNG"))
    np.testing.assert_array_equal(decode(path), decode(colourful))


def test_jpeg_stays_close_to_what_was_saved(tmp_path, seven, encode):
    smooth = PIL.Image.fromarray(seven).resize((120, 90), PIL.Image.Resampling.BICUBIC)
    path = tmp_path / "picture.jpg"
    path.write_bytes(encode(smooth, "JPEG", quality=95))
    error = np.abs(decode(path).astype(int) - np.asarray(smooth))
    assert error.max() <= 8
    assert error.mean() <= 1
    np.testing.assert_array_equal(decode(path), decode(path.read_bytes()))
    np.testing.assert_array_equal(decode(path), decode(PIL.Image.open(io.BytesIO(path.read_bytes()))))


@pytest.mark.parametrize(("file_format", "options"), [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True})])
def test_an_animation_gives_its_first_frame(seven, encode, file_format, options):
    first, second = PIL.Image.fromarray(seven), PIL.Image.fromarray(255 - seven)
    data = encode(first, file_format, save_all=True, append_images=[second, first], duration=40, **options)
    assert PIL.Image.open(io.BytesIO(data)).n_frames == 3
    np.testing.assert_array_equal(decode(data), seven)


SEEN_UPRIGHT = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).T,
    8: np.rot90,
}


@pytest.fixture(scope="module", params=SEEN_UPRIGHT)
def turned(request, colourful, encode):
    """The bytes of a PNG with an EXIF orientation, and how it looks upright."""
    stored = colourful.convert("L")
    exif = PIL.Image.Exif()
    exif[0x0112] = request.param
    return encode(stored, "PNG", exif=exif), SEEN_UPRIGHT[request.param](np.asarray(stored))


def test_a_file_is_turned_as_its_exif_orientation_says(tmp_path, turned):
    data, upright = turned
    path = tmp_path / "turned.png"
    path.write_bytes(data)
    for given in (path, data):
        np.testing.assert_array_equal(decode(given), upright)


def test_a_pillow_image_opened_from_a_file_is_turned_like_the_file(turned):
    data, upright = turned
    np.testing.assert_array_equal(decode(PIL.Image.open(io.BytesIO(data))), upright)


def test_transparent_ink_stands_out_whether_it_is_dark_or_light(seven):
    for ink, paper in ((0, 255), (255, 0)):
        rgba = np.full((28, 28, 4), ink, np.uint8)
        rgba[..., 3] = seven
        levels = decode(rgba)
        assert levels[0, 0] == paper
        assert levels[7, 10] == abs(paper - 230)


def test_what_is_wholly_transparent_is_blank():
    for ink in (0, 255):
        rgba = np.full((28, 28, 4), ink, np.uint8)
        rgba[..., 3] = 0
        assert len(np.unique(decode(rgba))) == 1


def test_decoding_leaves_the_callers_image_alone(colourful):
    before = colourful.tobytes()
    array = np.array(colourful)
    kept = array.copy()
    decode(colourful)
    decode(array)
    assert colourful.tobytes() == before
    np.testing.assert_array_equal(array, kept)


def test_a_path_is_anything_with_fspath(tmp_path, seven):
    PIL.Image.fromarray(seven).save(tmp_path / "seven.png")

    class Name:
        def __fspath__(self):
            return str(Path(tmp_path, "seven.png"))

    np.testing.assert_array_equal(decode(Name()), seven)
