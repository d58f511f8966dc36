"""File objects and limits: whatever has ``read`` gives the picture of its bytes, and is not read without end."""

import gzip
import io
import zipfile

import numpy as np
import PIL.Image
import pytest

from lenetx_runtime import InputError
from lenetx_runtime.limits import Limits
from lenetx_runtime.preprocess import decode


@pytest.fixture(scope="module")
def png(seven, encode):
    return encode(PIL.Image.fromarray(seven), "PNG")


def test_anything_that_is_read_gives_the_picture(tmp_path, png, seven):
    path = tmp_path / "seven.png"
    path.write_bytes(png)
    (tmp_path / "seven.png.gz").write_bytes(gzip.compress(png))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(path, "seven.png")
    with (
        path.open("rb") as buffered,
        path.open("rb", buffering=0) as raw,
        gzip.open(tmp_path / "seven.png.gz") as packed,
        zipfile.ZipFile(tmp_path / "all.zip") as archive,
        archive.open("seven.png") as member,
    ):
        for file in (io.BytesIO(png), buffered, raw, packed, member):
            np.testing.assert_array_equal(decode(file), seven)
            assert not file.closed


class Trickle:
    """Gives a few bytes at a time and counts them, as a socket may."""

    def __init__(self, data):
        self.data, self.given = data, 0

    def read(self, size):
        part = self.data[self.given : self.given + min(size, 7)]
        self.given += len(part)
        return part


def test_a_file_object_may_give_its_bytes_in_parts(png, seven):
    np.testing.assert_array_equal(decode(Trickle(png)), seven)


def test_it_is_read_from_where_it_stands(png, seven):
    file = io.BytesIO(b"header" + png)
    file.seek(6)
    np.testing.assert_array_equal(decode(file), seven)
    with pytest.raises(InputError, match="gives no bytes: it is empty, or was already read to its end"):
        decode(file)


def test_no_more_than_a_byte_beyond_the_limit_is_read():
    file = Trickle(bytes(1000))
    with pytest.raises(InputError, match="gives more than 100 bytes"):
        decode(file, limits=Limits(image_bytes=100))
    assert file.given == 101


def test_a_text_file_is_refused_with_the_remedy(tmp_path):
    (tmp_path / "note.txt").write_text("seven", "utf-8")
    with (
        (tmp_path / "note.txt").open(encoding="utf-8") as file,
        pytest.raises(InputError, match="returns text: open the file with mode 'rb'"),
    ):
        decode(file)


def test_what_a_file_object_gives_instead_of_bytes_is_named():
    class Waiting:
        def read(self, _size):
            return None

    with pytest.raises(InputError, match="gives NoneType where bytes were expected"):
        decode(Waiting())


def closed():
    file = io.BytesIO(b"")
    file.close()
    return file


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (closed, "closed file"),
        (lambda: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(bytes(range(256)))[:-9])), "ended before"),
        (lambda: gzip.GzipFile(fileobj=io.BytesIO(b"no gzip")), "Not a gzipped file"),
    ],
)
def test_what_a_file_object_trips_over_is_an_input_error(make, reason):
    with pytest.raises(InputError, match=f"file object cannot be read: .*{reason}") as caught:
        decode(make())
    assert caught.value.__cause__ is not None


def test_a_file_object_that_is_no_image_is_refused_by_its_size():
    with pytest.raises(InputError, match="The image of 5 bytes in a file object is not a readable PNG"):
        decode(io.BytesIO(b"seven"))


def test_each_limit_is_adjustable(tmp_path, png, seven):
    path = tmp_path / "seven.png"
    path.write_bytes(png)
    exact = Limits(image_bytes=len(png), image_pixels=28 * 28)
    for given in (path, png, io.BytesIO(png), PIL.Image.fromarray(seven), seven):
        np.testing.assert_array_equal(decode(given, limits=exact), seven)
    for given in (path, png, io.BytesIO(png)):
        with pytest.raises(InputError, match=f"more than|larger than {len(png) - 1} bytes"):
            decode(given, limits=Limits(image_bytes=len(png) - 1))
    for given in (path, png, io.BytesIO(png), PIL.Image.fromarray(seven), seven):
        with pytest.raises(InputError, match="28×28: more than 783 pixels"):
            decode(given, limits=Limits(image_pixels=783))


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP", "WEBP", "GIF"])
def test_the_limit_of_pixels_holds_for_every_format(seven, encode, file_format):
    data = encode(PIL.Image.fromarray(seven), file_format)
    with pytest.raises(InputError, match="28×28: more than 783 pixels"):
        decode(data, limits=Limits(image_pixels=783))
    assert decode(data, limits=Limits(image_pixels=784)).shape == (28, 28)


def test_a_limit_may_be_raised_above_pillows_own():
    image = PIL.Image.new("1", (14_000, 13_000))
    file = io.BytesIO()
    image.save(file, "PNG")
    assert decode(file.getvalue(), limits=Limits(image_pixels=182_000_000)).shape == (13_000, 14_000)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "1"])
@pytest.mark.parametrize("name", ["image_bytes", "image_pixels", "model_bytes"])
def test_what_is_no_limit_is_refused(name, value):
    with pytest.raises(InputError, match=f"The limit {name} is"):
        Limits(**{name: value})
