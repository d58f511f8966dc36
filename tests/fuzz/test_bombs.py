"""Files made to take all time or memory take at most 2 s of processor time and 1 GiB, and pictures are taken."""

import json
from pathlib import Path

import pytest

from lenetx_runtime.preprocess import decode

SCRIPT = Path(__file__).with_name("bombs.py")
PIXELS = (
    "png grey",
    "png colour and alpha",
    "png 16 bits of colour and alpha",
    "png 16 bits",
    "png palette with transparency",
    "jpeg colour",
    "jpeg progressive",
    "jpeg CMYK",
    "gif with transparency",
    "webp lossless with alpha",
    "webp lossy",
)
"""As many as are taken."""
OTHERS = {
    "many frames of gif": 400,
    "many frames of webp": 400,
    "a large EXIF": 28,
    "2,000 compressed texts": 28,
    "2,000 international texts": 28,
    "2,000 texts of EXIF": 28,
    "2,000 colour profiles": 28,
    "millions of fill bytes": 28,
    "20,000 comments of gif": 28,
}
"""The side of what they hold."""
REFUSED = {
    "png of 900 million pixels": "30000×30000: more than 25,000,000 pixels",
    "png of sides without end": "2147483647×2147483647: more than 25,000,000 pixels",
    "png of much in little": "not enough image data",
    "millions of chunks": "more than 131,072 chunks",
    "gif of 65,535 pixels a side": "65535×65535: more than 25,000,000 pixels",
    "millions of blocks of gif": "it has no frame",
    "millions of extensions of gif": "it has no frame",
    "webp of 16,384 pixels a side": "more pixels than Pillow's own limit",
    "webp of 65,000 pixels a side": "more pixels than Pillow's own limit",
    "bmp of two billion pixels a side": "2147483647×2147483647: more than 25,000,000 pixels",
    "bmp packed, a line per pixel": "compressed BMP file of 5000×5000, too large",
    "bmp packed by four bits": "compressed BMP file of 5000×5000, too large",
    "bmp packed into megabytes of nothing": "compressed BMP file of 2000×2000, too large",
    "two thousand passes of jpeg": "5000×5000 in 2009 passes, too many",
    "millions of comments of jpeg": "its markers do not lead to a picture",
    "millions of marks without a body": "its markers do not lead to a picture",
    "two sizes of jpeg": "its markers do not lead to a picture",
}


@pytest.fixture
def explode(fuzz, watched, tmp_path):
    """The function that decodes a bomb, by its name, in a process of its own, and checks what it took."""

    def run(name, channels=1):
        path = tmp_path / "bomb"
        path.write_bytes(fuzz("bombs").BOMBS[name]())
        done = watched(SCRIPT, path, channels)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["seconds"] < 2
        assert told["bytes"] < 2**30
        return told["outcome"]

    return run


def test_each_is_tried(fuzz):
    assert set(fuzz("bombs").BOMBS) == {*PIXELS, *OTHERS, *REFUSED}


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", PIXELS)
def test_the_largest_picture_is_decoded(explode, name, channels):
    assert explode(name, channels) == [5000, 5000, 3][: 2 + (channels == 3)]


@pytest.mark.parametrize("name", OTHERS)
def test_what_lies_beside_the_pixels_costs_nothing(explode, name):
    assert explode(name) == [OTHERS[name]] * 2


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_worth_its_time_is_refused(explode, name):
    assert REFUSED[name] in explode(name)


def test_a_file_from_a_camera_of_24_million_pixels_is_taken(fuzz):
    """In ten passes, as programs write progressive files."""
    data = fuzz("bombs").saved("RGB", "JPEG", 4896, progressive=True)
    assert decode(data).shape == (4896, 4896)
