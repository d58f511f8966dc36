"""Damaged files: an error of one kind or grey levels, never another exception; PNG never changes silently."""

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenetx_runtime import InputError
from lenetx_runtime.preprocess import decode
from lenetx_runtime.preprocess.stripped import first_frame, without_notes

QUICK = settings(deadline=None, derandomize=True, max_examples=150)
FORMATS = ["PNG", "JPEG", "BMP", "WEBP", "GIF"]
MAGIC = [b"", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\xff\xd8\xff\xe0", b"BM", b"RIFF\x40\0\0\0WEBPVP8L", b"GIF89a"]


@pytest.fixture(scope="session")
def files(colourful, encode):
    """One small file of every format."""
    options = {"WEBP": {"lossless": True}, "GIF": {"transparency": 2}}
    modes = {"PNG": "RGBA", "WEBP": "RGBA"}
    return {name: encode(colourful.convert(modes.get(name, "L")), name, **options.get(name, {})) for name in FORMATS}


def levels_or_refusal(data):
    try:
        return decode(data)
    except InputError:
        return None


def are_grey_levels(levels):
    return levels.dtype == np.uint8 and levels.ndim == 2


@QUICK
@given(magic=st.sampled_from(MAGIC), tail=st.binary(max_size=300))
def test_any_bytes_give_grey_levels_or_an_input_error(magic, tail):
    levels = levels_or_refusal(magic + tail)
    assert levels is None or are_grey_levels(levels)


@pytest.mark.parametrize("file_format", FORMATS)
def test_any_mutation_of_a_real_file_gives_grey_levels_or_an_input_error(files, file_format):
    original = files[file_format]

    @QUICK
    @given(st.data())
    def mutate(data):
        changed = bytearray(original)
        for _ in range(data.draw(st.integers(1, 6))):
            start = data.draw(st.integers(0, len(changed)))
            end = data.draw(st.integers(start, min(len(changed), start + 8)))
            changed[start:end] = data.draw(st.binary(max_size=8))
        levels = levels_or_refusal(bytes(changed))
        assert levels is None or are_grey_levels(levels)

    mutate()


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_cut_file_is_refused_unless_no_pixel_is_missing(files, file_format):
    whole = files[file_format]
    intact = decode(whole)
    survivors = [size for size in range(len(whole)) if levels_or_refusal(whole[:size]) is not None]
    for size in survivors:
        np.testing.assert_array_equal(decode(whole[:size]), intact)
    trailer = 8  # PNG's IEND with its checksum is the longest ending that holds no pixels
    assert all(size >= len(whole) - trailer for size in survivors)


def png_with_notes(colourful, encode):
    notes = PIL.PngImagePlugin.PngInfo()
    notes.add_text("Title", "seven")
    notes.add_itxt("Comment", "seven " * 20, zip=True)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    return encode(colourful.convert("L"), "PNG", pnginfo=notes, dpi=(72, 72), exif=exif)


PNGS = {
    "grey": lambda image, encode: encode(image.convert("L"), "PNG"),
    "16-bit": lambda _, encode: encode(PIL.Image.fromarray(np.arange(150, dtype=np.uint16).reshape(10, 15)), "PNG"),
    "colour and alpha": lambda image, encode: encode(image.resize((9, 7)), "PNG"),
    "palette with transparency": lambda image, encode: encode(
        image.convert("RGB").quantize(16), "PNG", transparency=bytes(range(16))
    ),
    "one bit": lambda image, encode: encode(image.convert("1"), "PNG"),
    "text, EXIF and resolution": png_with_notes,
}


@pytest.mark.parametrize("kind", PNGS)
def test_no_flipped_bit_of_a_png_changes_a_pixel_silently(colourful, encode, kind):
    data = PNGS[kind](colourful, encode)
    intact = decode(data)
    changed = []
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        levels = levels_or_refusal(bytes(flipped))
        if levels is not None and not np.array_equal(levels, intact):
            changed.append(bit)
    assert changed == []


def segment(marker, body):
    return b"\xff" + bytes([marker]) + (len(body) + 2).to_bytes(2, "big") + body


@pytest.mark.parametrize(
    ("marker", "body"),
    [
        (0xDB, (b"\0" + bytes(range(1, 65))) * 1000),
        (0xC4, bytes(17) * 3800),
        (0xE0, bytes(65000)),
        (0xEE, b"Adobe" + bytes(65000)),
        (0xDD, bytes(2)),
    ],
)
def test_a_jpeg_of_many_tables_is_refused_before_pillow_reads_them_in_python(files, marker, body):
    file = files["JPEG"]
    many = segment(marker, body) * (2**18 // len(body))
    with pytest.raises(InputError, match=r"its tables have more than 65,536 bytes|markers do not lead to a picture"):
        decode(file[:2] + many + file[2:])


def test_fill_bytes_of_a_jpeg_never_reach_a_decoder(colourful, encode):
    """Given a file in parts it looks at all of them again with each part: 250 MiB took more than a minute."""
    file = encode(colourful.convert("L"), "JPEG", progressive=True)
    start = file.index(b"\xff\xda")
    place = file.index(b"\xff", file.index(b"\xff\xc4", start))
    filled = file[:place] + b"\xff" * 2**24 + file[place:]
    assert len(without_notes(filled)[0]) <= len(file)
    np.testing.assert_array_equal(decode(filled), decode(file))


def test_what_stands_behind_the_first_frame_of_a_gif_never_reaches_a_decoder(files):
    file = files["GIF"]
    for more in (b"\x21\xfe" + (b"\xff" + b"a" * 255) * 2**14, (b"\xff" + b"\x92" * 255) * 2**14):
        longer = file[:-2] + more + file[-2:]
        assert len(first_frame(longer)) < 2**17
        np.testing.assert_array_equal(decode(longer), decode(file))
