"""Pictures that cannot be used: one sentence, exit code 2, whatever the model is."""

import json
import struct
import zlib

import PIL.Image
import pytest

MODELS = ("lenet5.onnx", "lenet5.pt")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def huge_png(side):
    """Return a complete, valid, black PNG of one bit per pixel: small on disk, gigantic in memory."""
    packer = zlib.compressobj(1)
    row = bytes(1 + side // 8)
    pixels = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.fixture
def wreck(picture, tmp_path):
    """The function that wrecks the picture in some way and gives its path."""

    def flip(data):
        changed = bytearray(data)
        changed[len(data) // 2] ^= 16
        return bytes(changed)

    ways = {
        "empty": lambda _: b"",
        "cut off": lambda data: data[:-30],
        "flipped": flip,
        "text": lambda _: b"this is no picture\n" * 10,
        "svg": lambda _: b"<svg xmlns='http://www.w3.org/2000/svg' width='28' height='28'/>",
        "huge": lambda _: huge_png(30_000),
    }

    def make(way):
        path = tmp_path / "wreck.png"
        if way == "folder":
            path.mkdir()
        elif way == "blank":
            PIL.Image.new("L", (40, 40), 200).save(path)
        elif way == "tiff":
            PIL.Image.open(picture).save(path, format="TIFF")
        elif way != "missing":
            path.write_bytes(ways[way](picture.read_bytes()))
        return path

    return make


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("missing", "There is no image"),
        ("folder", "is a directory"),
        ("empty", "is not a readable PNG, JPEG, BMP, WEBP or GIF file"),
        ("cut off", "is damaged"),
        ("flipped", "is damaged"),
        ("text", "is not a readable"),
        ("svg", "is not a readable"),
        ("tiff", "is not a readable"),
        ("blank", "is blank"),
        ("huge", "25,000,000 pixels"),
    ],
)
def test_it_is_refused(refused, cli, wreck, published, way, words):
    path = wreck(way)
    for model in MODELS:
        assert words in refused(2, "predict", published / model, path)
    (error,) = json.loads(cli("predict", published / "lenet5.onnx", path, "--json").stdout)["errors"]
    assert words in error["error"]


def test_the_huge_picture_is_a_real_one(tmp_path):
    """A smaller one, made the same way, can be read."""
    (tmp_path / "small.png").write_bytes(huge_png(800))
    with PIL.Image.open(tmp_path / "small.png") as image:
        image.load()
        assert image.size == (800, 800)
