"""Small files that ask for much: run as a program, it decodes one and says what that took."""

import io
import json
import struct
import sys
import time
import zlib

import PIL.Image
from corpus import packed_bmp
from peak import peak_bytes

SIDE = 5000
"""The largest square picture that is taken."""


def _chunk(kind, body=b""):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks, width=28, height=28, depth=8, colour=0, packed=None):
    """Return a PNG file with chunks before its pixels, which are all zero."""
    if packed is None:
        row = 1 + width * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] * depth // 8
        packer = zlib.compressobj(9)
        packed = b"".join(packer.compress(bytes(row)) for _ in range(height)) + packer.flush()
    header = struct.pack(">II5B", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join((_chunk(b"IHDR", header), *chunks, _chunk(b"IDAT", packed), _chunk(b"IEND")))


def saved(mode, file_format, side=SIDE, **options):
    """Return a file of one colour."""
    file = io.BytesIO()
    PIL.Image.new(mode, (side, side)).save(file, file_format, **options)
    return file.getvalue()


def _notes(kind, start):
    """Return 2,000 compressed notes of 1 MiB each, damaged at their ends so that none counts as memory in Pillow."""
    packed = zlib.compress(bytes(2**20 - 99), 9)
    return [_chunk(kind, start + packed[:-4] + b"DAMAGE")] * 2000


def _jpeg_with(part):
    """Put something behind the start of a small JPEG file."""
    whole = saved("RGB", "JPEG", 28)
    return whole[:2] + part + whole[2:]


def many_passes():
    """Repeat the last passes over a progressive JPEG."""
    *first, last = saved("RGB", "JPEG", progressive=True).split(b"\xff\xda")
    return b"\xff\xda".join((*first, *[last.removesuffix(b"\xff\xd9")] * 2000)) + b"\xff\xd9"


def _exif():
    """Return a directory of 65,000 entries that each claim all of the data, a megabyte."""
    entries = b"".join(struct.pack("<HHII", tag, 7, 2**20, 0) for tag in range(65_000) if tag != 0x0112)
    return b"II*\0" + struct.pack("<IH", 8, 64_999) + entries + bytes(2**20 - len(entries))


def _gif(middle, width=28, height=28):
    whole = saved("P", "GIF", 28)
    place = whole.index(b",", 13 + (3 << (whole[10] & 7) + 1))
    return whole[:6] + struct.pack("<HH", width, height) + whole[10:place] + middle + whole[place:]


def webp(width, height):
    """Return a WebP file whose header claims a size, around a picture of 28×28."""
    inner = saved("RGB", "WEBP", 28)[12:]
    body = b"VP8X" + struct.pack("<II", 10, 0) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 4 + len(body) + len(inner)) + b"WEBP" + body + inner


def frames(file_format, count, side=400):
    """Return an animation."""
    many = [PIL.Image.new("L", (side, side), shade % 256) for shade in range(count)]
    file = io.BytesIO()
    many[0].save(file, file_format, save_all=True, append_images=many[1:], duration=20)
    return file.getvalue()


EOL = bytes((1, 5, 0, 0))
BOMBS = {
    "png grey": lambda: png(width=SIDE, height=SIDE),
    "png colour and alpha": lambda: png(width=SIDE, height=SIDE, colour=6),
    "png 16 bits of colour and alpha": lambda: png(width=SIDE, height=SIDE, colour=6, depth=16),
    "png 16 bits": lambda: png(width=SIDE, height=SIDE, depth=16),
    "png palette with transparency": lambda: saved("P", "PNG", transparency=0),
    "jpeg colour": lambda: saved("RGB", "JPEG"),
    "jpeg progressive": lambda: saved("RGB", "JPEG", progressive=True),
    "jpeg CMYK": lambda: saved("CMYK", "JPEG"),
    "gif with transparency": lambda: saved("P", "GIF", transparency=0),
    "webp lossless with alpha": lambda: saved("RGBA", "WEBP", lossless=True, method=0, exact=True),
    "webp lossy": lambda: saved("RGB", "WEBP", method=0),
    "many frames of gif": lambda: frames("GIF", 300),
    "many frames of webp": lambda: frames("WEBP", 300),
    "a large EXIF": lambda: png(_chunk(b"eXIf", _exif())),
    "2,000 compressed texts": lambda: png(*_notes(b"zTXt", b"Title\0\0")),
    "2,000 international texts": lambda: png(*_notes(b"iTXt", b"Title\0\1\0\0\0")),
    "2,000 texts of EXIF": lambda: png(*_notes(b"zTXt", b"Raw profile type exif\0\0")),
    "2,000 colour profiles": lambda: png(*_notes(b"iCCP", b"sRGB\0\0")),
    "millions of fill bytes": lambda: _jpeg_with(b"\xff" * 2**24),
    "20,000 comments of gif": lambda: _gif(b"!\xfe\1a\0" * 20_000),
    "png of 900 million pixels": lambda: png(width=30_000, height=30_000, packed=zlib.compress(bytes(2**20))),
    "png of sides without end": lambda: png(width=2**31 - 1, height=2**31 - 1, packed=b""),
    "png of much in little": lambda: png(width=SIDE, height=SIDE, packed=zlib.compress(b"")),
    "millions of chunks": lambda: png(*[_chunk(b"tIME")] * 10**6),
    "gif of 65,535 pixels a side": lambda: _gif(b"", 65_535, 65_535),
    "millions of blocks of gif": lambda: _gif(b"!\xfe" + b"\1a" * 10**7 + b"\0"),
    "millions of extensions of gif": lambda: _gif(b"!\xfe\0" * 10**7),
    "webp of 16,384 pixels a side": lambda: webp(16_384, 16_384),
    "webp of 65,000 pixels a side": lambda: webp(65_000, 65_000),
    "bmp of two billion pixels a side": lambda: packed_bmp(2**31 - 1, 2**31 - 1, b"\0\1"),
    "bmp packed, a line per pixel": lambda: packed_bmp(SIDE, SIDE, EOL * SIDE),
    "bmp packed by four bits": lambda: packed_bmp(SIDE, SIDE, b"\xff\x11" * 98_000, depth=4),
    "bmp packed into megabytes of nothing": lambda: packed_bmp(2000, 2000, bytes((0, 2, 0, 0)) * 2**20),
    "two thousand passes of jpeg": many_passes,
    "millions of comments of jpeg": lambda: _jpeg_with(b"\xff\xfe\0\2" * 2**22),
    "millions of marks without a body": lambda: _jpeg_with(b"\xff\1" * 2**22),
    "two sizes of jpeg": lambda: _jpeg_with(b"\xff\xc0\0\x0b\x08\xff\xff\xff\xff\1\1\x11\0"),
}


def main(path, channels):
    """Decode one file and print what came of it as JSON."""
    from lenetx_runtime import InputError
    from lenetx_runtime.preprocess import decode

    decode(png(), channels)  # what is imported is not the file's fault
    start = time.process_time()
    try:
        outcome = list(decode(path, channels).shape)
    except InputError as error:
        outcome = str(error)
    seconds = time.process_time() - start
    sys.stdout.write(json.dumps({"outcome": outcome, "seconds": seconds, "bytes": peak_bytes()}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
