"""PNG files are walked by us and decoded by Pillow: every kind gives what Pillow alone gives."""

import io
import itertools
import struct
import time
import tracemalloc
import zlib

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest

from lenetx_runtime import InputError
from lenetx_runtime.preprocess import decode

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
KINDS = [(colour, depth, lace) for colour, depths in DEPTHS.items() for depth in depths for lace in (0, 1)]
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind, body=b""):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width=9, height=7, depth=8, colour=0, lace=0):
    return chunk(b"IHDR", struct.pack(">II5B", width, height, depth, colour, 0, 0, lace))


def png(*chunks):
    return b"".join((SIGNATURE, *chunks, chunk(b"IEND")))


def rows(random, width, height, depth, colour, filters):
    size = (width * CHANNELS[colour] * depth + 7) // 8
    return b"".join(bytes([next(filters)]) + random.bytes(size) for _ in range(height)) if width and height else b""


def file_of(colour, depth, lace, *, transparent=False):
    """A file of random levels with every filter."""
    random, width, height = np.random.default_rng(depth), 9, 7
    filters = itertools.cycle(range(5))
    if lace:
        parts = (
            rows(random, -(-(width - x) // across), -(-(height - y) // down), depth, colour, filters)
            for x, y, across, down in PASSES
        )
        packed = zlib.compress(b"".join(parts))
    else:
        packed = zlib.compress(rows(random, width, height, depth, colour, filters))
    palette = [chunk(b"PLTE", random.bytes(3 << depth))] if colour == 3 else []
    if transparent:
        palette.append(chunk(b"tRNS", random.bytes({0: 2, 2: 6, 3: 1 << min(depth, 3)}[colour])))
    half = len(packed) // 2
    pixels = (chunk(b"IDAT", packed[:half]), chunk(b"IDAT"), chunk(b"IDAT", packed[half:]))
    return png(header(width, height, depth, colour, lace), *palette, *pixels)


@pytest.mark.parametrize(("colour", "depth", "lace"), KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_gives_what_pillow_gives(colour, depth, lace, channels):
    data = file_of(colour, depth, lace)
    pillow = PIL.Image.open(io.BytesIO(data))
    np.testing.assert_array_equal(decode(data, channels), decode(pillow, channels))


@pytest.mark.parametrize(("colour", "depth", "lace"), [kind for kind in KINDS if kind[0] < 4])
def test_a_transparent_colour_is_what_it_is_for_pillow(colour, depth, lace):
    data = file_of(colour, depth, lace, transparent=True)
    np.testing.assert_array_equal(decode(data), decode(PIL.Image.open(io.BytesIO(data))))


IDAT = chunk(b"IDAT", zlib.compress(bytes(10 * 7)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png(), "does not start with a header"),
        (png(IDAT, header()), "does not start with a header"),
        (png(chunk(b"IHDR", b"short"), IDAT), "does not start with a header"),
        (png(header()), "has no pixels"),
        (png(header(), header(99, 99), IDAT), "two headers"),
        (png(header(), IDAT, chunk(b"tIME", bytes(7)), IDAT), "not in one piece"),
        (png(header(), IDAT)[:-12], "cut off"),
        (png(header(), IDAT)[:-1], "cut off in a chunk IEND"),
        (png(header(), IDAT)[:50], "cut off in a chunk IDAT"),
        (SIGNATURE + header() + struct.pack(">I", 2**32 - 1) + b"IDAT" + bytes(99), "cut off in a chunk IDAT"),
        (png(header(), IDAT[:-1] + bytes([IDAT[-1] ^ 1])), "checksum of a chunk IDAT is wrong"),
        (
            png(header(), chunk(b"tEXt", b"Title\0seven").replace(b"seven", b"eight"), IDAT),
            "checksum of a chunk tEXt is wrong",
        ),
        (png(header(), *[chunk(b"tIME")] * 2**17, IDAT), "more than 131,072 chunks"),
        (png(header(), chunk(b"PLTE", bytes(771)), IDAT), "PLTE is too long, or there are two"),
        (png(header(), chunk(b"tRNS", bytes(2)), chunk(b"tRNS", bytes(2)), IDAT), "tRNS is too long, or there are two"),
        (png(header(), chunk(b"tRNS", bytes(1)), IDAT), "transparent colour is cut off"),
        (png(header(colour=3), IDAT), "has no palette"),
        (png(header(depth=3), IDAT), "of a kind that PNG does not have"),
        (png(header(colour=1), IDAT), "of a kind that PNG does not have"),
        (png(header(lace=2), IDAT), "of a kind that PNG does not have"),
        (png(header(), chunk(b"IDAT", zlib.compress(bytes(69)))), "not enough image data"),
        (png(header(), chunk(b"IDAT", b"seven")), "cannot decode|broken|not enough"),
    ],
)
def test_a_damaged_file_is_refused_with_the_reason(data, reason):
    with pytest.raises(InputError, match=f"The image given as {len(data)} bytes is damaged: .*{reason}"):
        decode(data)


def exif(value, order="<", kind=3):
    head = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHI", 0x0112, kind, 1) + struct.pack(f"{order}{'H' if kind == 3 else 'I'}", value)
    return head + struct.pack(f"{order}IH", 8, 1) + entry.ljust(12, b"\0") + bytes(4)


def note(data):
    return b"\nexif\n%8d\n%s\n" % (len(data), data.hex().encode())


@pytest.mark.parametrize(
    "where",
    [
        lambda data: (header(), chunk(b"eXIf", data), IDAT),
        lambda data: (header(), IDAT, chunk(b"eXIf", data)),
        lambda data: (header(), chunk(b"tEXt", b"Raw profile type exif\0" + note(b"Exif\0\0" + data)), IDAT),
        lambda data: (header(), chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(note(data))), IDAT),
    ],
)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [3, 4])
def test_the_orientation_is_found_wherever_programs_write_it(where, order, kind):
    assert decode(png(*where(exif(6, order, kind)))).shape == (9, 7)
    assert decode(png(*where(exif(1, order, kind)))).shape == (7, 9)


def test_the_chunk_counts_more_than_the_note():
    old = chunk(b"tEXt", b"Raw profile type exif\0" + note(b"Exif\0\0" + exif(1)))
    new = chunk(b"eXIf", exif(6))
    for chunks in ((header(), old, new, IDAT), (header(), new, old, IDAT)):
        assert decode(png(*chunks)).shape == (9, 7)


@pytest.mark.parametrize(
    "data",
    [b"", b"II*\0", exif(0), exif(9), exif(6)[:17], exif(6)[:4] + b"\xff" * 4, exif(6)[:14] + b"\x02" + bytes(20)],
)
def test_a_damaged_orientation_means_upright(data):
    assert decode(png(header(), chunk(b"eXIf", data), IDAT)).shape == (7, 9)


SIZE = 2**25


def directory(count):
    """An EXIF directory whose every entry points at a MiB."""
    entries = b"".join(struct.pack("<HHII", 4096 + place, 7, 2**20, 0) for place in range(count))
    return b"II*\0" + struct.pack("<IH", 8, count) + entries


@pytest.mark.parametrize(
    "notes",
    [
        chunk(b"tEXt", b"Raw profile type exif\0" + b"\n" * SIZE),
        chunk(b"tEXt", b"Raw profile type exif\0" + b"\n\n\n" + b"4" * SIZE),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\n" * 2**27)),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(2**27))),
        chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(2**27))),
        chunk(b"sPLT", bytes(SIZE)),
        chunk(b"eXIf", directory(60000) + bytes(SIZE)),
    ],
    ids=["lines", "digits", "packed lines", "XMP", "ICC", "suggested palette", "EXIF"],
)
def test_what_decides_no_pixel_takes_no_memory(notes):
    data = png(header(), notes, IDAT)
    tracemalloc.start()
    try:
        assert decode(data).shape == (7, 9)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("turned", [1, 6])
@pytest.mark.parametrize("how", ["eXIf", "note"])
def test_pillows_own_reader_does_not_see_large_exif_data_of_a_pillow_image(turned, how):
    """It keeps a copy of what each entry points at: here 2 GiB."""
    data = exif(turned)
    data = data[:8] + struct.pack("<H", 2001) + data[10:22] + directory(2000)[10:] + bytes(2**20)
    if how == "eXIf":
        notes = chunk(b"eXIf", data)
    else:
        notes = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(note(data[: 2**17])))
    image = PIL.Image.open(io.BytesIO(png(header(), notes, IDAT)))
    tracemalloc.start()
    try:
        assert decode(image).shape == ((7, 9) if turned == 1 else (9, 7))
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def empty_blocks():
    """Return 8 blocks of deflate that hold tables and nothing else."""
    numbers = [(0, 1), (2, 2), (0, 5), (0, 5), (15, 4)]  # not the last; its tables; of 257 and 1; all 19 lengths
    numbers += [({18: 1, 1: 2, 0: 2}.get(length, 0), 3) for length in (16, 17, 18, 0, *LENGTHS)]
    numbers += [(0, 1), (127, 7), (0, 1), (107, 7), (3, 2), (3, 2), (0, 1)]  # 138 and 118 zeros; two of one bit; end
    bits = [number >> place & 1 for number, size in numbers for place in range(size)]
    return np.packbits(np.array(8 * bits, np.uint8), bitorder="little").tobytes()


LENGTHS = (8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)


@pytest.mark.parametrize("before", [0, 2**23])
def test_millions_of_empty_blocks_are_refused_at_once(before):
    """A decoder needs 70 ns for each of their bytes, 17 s for the largest file."""
    packer = zlib.compressobj(0)
    pixels = packer.compress(bytes(before)) + packer.flush(zlib.Z_SYNC_FLUSH) + empty_blocks() * 2**18
    start = time.process_time()
    with pytest.raises(InputError, match="next to nothing"):
        decode(png(header(4000, 4000), chunk(b"IDAT", pixels)))
    assert time.process_time() - start < 10


def test_large_noise_is_read_however_it_is_packed():
    noise = np.random.default_rng(5).integers(0, 256, (3000, 3001), np.uint8)
    noise[:, 0] = 0
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 8, zlib.Z_FIXED)
    pixels = packer.compress(noise.tobytes()) + packer.flush()
    assert len(pixels) > 2**23
    assert np.array_equal(decode(png(header(3000, 3000), chunk(b"IDAT", pixels))), noise[:, 1:])
