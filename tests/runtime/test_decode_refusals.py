"""What is not an image, or is too large, is refused in words that name it."""

import io
import os
import resource
import struct
import sys
import warnings
import zlib

import numpy as np
import PIL.Image
import pytest

from lenetx_runtime import InputError, Limits
from lenetx_runtime.preprocess import decode


def black_png(width, height):
    """Write a one-bit PNG row by row: any size in little memory."""
    packer = zlib.compressobj(1)
    rows = bytes((1 + -(-width // 8)) * 1000)
    packed = b"".join(packer.compress(rows) for _ in range(height // 1000)) + packer.flush()
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)),
        (b"IDAT", packed),
        (b"IEND", b""),
    ]
    framed = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@pytest.mark.parametrize(
    ("width", "height"),
    [
        pytest.param(9_000, 8_000, id="72 M: Pillow would open it silently"),
        pytest.param(11_000, 11_000, id="121 M: Pillow would warn and open it"),
        pytest.param(30_000, 30_000, id="900 M: Pillow would refuse it"),
    ],
)
@pytest.mark.parametrize("action", ["error", "ignore"])
def test_a_file_of_too_many_pixels_is_refused_unopened(tmp_path, width, height, action):
    path = tmp_path / "huge.png"
    path.write_bytes(black_png(width, height))
    assert path.stat().st_size < 1_000_000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        for given in (path, path.read_bytes()):
            with pytest.raises(InputError, match="25,000,000 pixels"):
                decode(given)
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * unit < 50_000_000


def test_a_pillow_image_of_too_many_pixels_is_refused_unopened():
    with pytest.raises(InputError, match="9000×8000: more than 25,000,000 pixels"):
        decode(PIL.Image.open(io.BytesIO(black_png(9_000, 8_000))))


def test_exactly_the_largest_size_is_decoded():
    assert decode(black_png(5_000, 5_000)).shape == (5_000, 5_000)


def test_a_file_of_too_many_bytes_is_refused_unread(tmp_path):
    path = tmp_path / "huge.bmp"
    with path.open("wb") as file:
        file.truncate(256 * 2**20 + 1)
    with pytest.raises(InputError, match="larger than 256 MiB"):
        decode(path)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: memoryview(data).cast("H")])
def test_too_many_bytes_in_memory_are_refused_uncopied(kind):
    with pytest.raises(InputError, match="The image given as bytes is larger than 1,000 bytes"):
        decode(kind(bytes(1002)), limits=Limits(image_bytes=1000))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"There is no image '.*absent\.png'"):
        decode(tmp_path / "absent.png")


def test_a_directory_is_named(tmp_path):
    with pytest.raises(InputError, match="is a directory, not an image") as caught:
        decode(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_file_below_a_file_is_refused(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be read: Not a directory"):
        decode(tmp_path / "plain" / "digit.png")


@pytest.mark.parametrize("path", ["digit\0.png", "d" * 5000])
def test_a_name_that_no_file_can_have_is_refused(path):
    with pytest.raises(InputError, match="cannot be read"):
        decode(path)


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"seven\n", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF\0\0\0\0WEBP"]
)
def test_a_file_that_is_no_image_is_refused_by_name_and_by_size(tmp_path, content):
    path = tmp_path / "note.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"note\.txt"):
        decode(path)
    with pytest.raises(InputError, match=f"The image given as {len(content)} bytes"):
        decode(content)


@pytest.mark.parametrize("file_format", ["TIFF", "PPM", "ICO", "TGA", "PCX"])
def test_a_format_that_is_not_listed_is_refused_with_the_list(seven, encode, file_format):
    with pytest.raises(InputError, match="PNG, JPEG, BMP, WEBP or GIF"):
        decode(encode(PIL.Image.fromarray(seven), file_format))


@pytest.mark.parametrize("thing", [None, 7, 0.5, [[0, 255]], bytearray, {"path"}], ids=repr)
def test_what_is_no_kind_of_image_is_refused_by_its_type(thing):
    with pytest.raises(InputError, match=f"not {type(thing).__name__}"):
        decode(thing)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LA", "I", "I;16", "I;16B"])
def test_every_ordinary_pillow_mode_is_taken(mode):
    levels = decode(PIL.Image.new(mode, (5, 4)))
    assert levels.shape == (4, 5)
    assert levels.dtype == np.uint8


@pytest.mark.parametrize("mode", ["F", "LAB", "La"])
def test_a_pillow_mode_without_grey_levels_is_refused(mode):
    with pytest.raises(InputError, match=mode):
        decode(PIL.Image.new(mode, (5, 4)))


@pytest.mark.parametrize("level", [-1, 65536])
def test_a_pillow_image_of_wide_integers_outside_sixteen_bits_is_refused(level):
    image = PIL.Image.new("I", (5, 4), 300)
    image.putpixel((2, 2), level)
    with pytest.raises(InputError, match=f"{level}"):
        decode(image)


def test_a_pillow_image_without_pixels_is_refused():
    with pytest.raises(InputError, match="no pixels"):
        decode(PIL.Image.new("L", (0, 5)))


def test_a_pillow_image_of_a_cut_file_is_refused(colourful, encode):
    data = encode(colourful, "PNG")
    with pytest.raises(InputError):
        decode(PIL.Image.open(io.BytesIO(data[: len(data) // 2])))


def test_a_closed_pillow_image_is_refused(colourful, encode):
    image = PIL.Image.open(io.BytesIO(encode(colourful, "PNG")))
    image.close()
    with pytest.raises(InputError):
        decode(image)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "seven.png")
    with pytest.raises(InputError, match=r"'.*seven.png' is a device or a pipe, not an image"):
        decode(tmp_path / "seven.png")
