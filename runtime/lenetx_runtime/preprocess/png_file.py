"""Read PNG files chunk by chunk: check every checksum, and pass the decoder only what affects a pixel.

Pillow skips checksums of pixels, and unpacks every text chunk.
Source: PNG Specification, Third Edition, sections 5 and 11.
"""

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import PIL.Image

__all__ = ["SIGNATURE", "Png", "read_png", "unpacked"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_HEAD = struct.Struct(">I4s")
_SUM = struct.Struct(">I")
_HEADER = struct.Struct(">II5B")
_MOST_CHUNKS = 2**17
"""Four times what libpng writes for 256 MiB."""
_NOTE = b"Raw profile type exif\0"
"""Keyword of text chunks that hold EXIF data, older than PNG's own chunk for it."""
_LARGEST_NOTE = 2**20
"""Maximum bytes of EXIF data and of such a text chunk, packed or not."""
_SHORT = {b"PLTE": 3 * 256, b"tRNS": 256}
"""Maximum bytes of these chunks."""
_QUICK = 2**23
"""Bytes of packed pixels that always take less than a second."""
_PART, _DENSE = 2**20, 15 / 16
"""Each further part must unpack to this share of its size: what cannot be packed is stored, or has 9 bits a byte."""
_MODES = {
    0: {1: ("1", "1"), 2: ("L", "L;2"), 4: ("L", "L;4"), 8: ("L", "L"), 16: ("I;16", "I;16B")},
    2: {8: ("RGB", "RGB"), 16: ("RGB", "RGB;16B")},
    3: {1: ("P", "P;1"), 2: ("P", "P;2"), 4: ("P", "P;4"), 8: ("P", "P")},
    4: {8: ("LA", "LA"), 16: ("RGBA", "LA;16B")},
    6: {8: ("RGBA", "RGBA"), 16: ("RGBA", "RGBA;16B")},
}
"""Pillow's modes of image and stored pixels, by colour type and depth."""


class Png(NamedTuple):
    """The parts of a PNG file that decide how it looks.

    Attributes:
        header: body of its IHDR chunk.
        palette: body of its PLTE chunk, empty if there is none.
        transparent: body of its tRNS chunk, empty if there is none.
        pixels: bodies of its IDAT chunks, joined.
        exif: its EXIF data, if any.
    """

    header: bytes
    palette: bytes
    transparent: bytes
    pixels: bytes | memoryview
    exif: bytes | None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        width, height, *_ = _HEADER.unpack(self.header)
        return width, height

    def image(self) -> "PIL.Image.Image":
        """Decode the pixels.

        Raises:
            ValueError: they are damaged, or of a kind that PNG does not have.
        """
        import PIL.Image

        _, _, depth, colour, compression, filtering, interlace = _HEADER.unpack(self.header)
        mode, stored = _MODES.get(colour, {}).get(depth, ("", ""))
        if not mode or compression or filtering or interlace > 1:
            raise ValueError("its pixels are of a kind that PNG does not have")
        if mode == "P" and not self.palette:
            raise ValueError("it has no palette")
        _require_dense(self.pixels, 8 * self.size[0] * self.size[1] + 4 * self.size[1])
        image = PIL.Image.frombytes(mode, self.size, self.pixels, "zip", (stored, interlace))
        if self.transparent:
            image.info["transparency"] = self._transparency(mode)
        if mode == "P":
            image.putpalette(self.palette)
        return image

    def _transparency(self, mode: str) -> bytes | int | tuple[int, ...]:
        if mode == "P":
            return self.transparent
        count = 3 if mode == "RGB" else 1
        if len(self.transparent) < 2 * count:
            raise ValueError("its transparent colour is cut off")
        colour = struct.unpack_from(f">{count}H", self.transparent)
        return colour if count == 3 else 255 * bool(colour[0]) if mode == "1" else colour[0]


def read_png(data: bytes) -> Png:
    """Read a file that starts with ``SIGNATURE`` up to its IEND chunk; what follows is ignored.

    Raises:
        ValueError: it is damaged.
    """
    (first, start, end), *chunks = _chunks(data) or [(b"", 0, 0)]
    if first != b"IHDR" or end - start != _HEADER.size:
        raise ValueError("it does not start with a header")
    header = data[start:end]
    view = memoryview(data)
    short = dict.fromkeys(_SHORT, b"")
    pixels: list[memoryview] = []
    exif: bytes | None = None
    note: bytes | None = None
    previous = b""
    for kind, start, end in chunks:
        if kind == b"IDAT" and (not pixels or previous == kind):
            pixels.append(view[start:end])
        elif kind in (b"IDAT", b"IHDR"):
            raise ValueError("it has two headers, or its pixels are not in one piece")
        elif kind in _SHORT and not pixels:
            if short[kind] or end - start > _SHORT[kind]:
                raise ValueError(f"its {kind.decode()} is too long, or there are two")
            short[kind] = data[start:end]
        elif kind == b"eXIf":
            exif = data[start : min(end, start + _LARGEST_NOTE)]
        elif note is None and kind in (b"tEXt", b"zTXt") and data.startswith(_NOTE, start, end):
            start += len(_NOTE)
            note = unpacked(kind, data[start : min(end, start + _LARGEST_NOTE)])
        previous = kind
    if not pixels:
        raise ValueError("it has no pixels")
    joined = pixels[0] if len(pixels) == 1 else b"".join(pixels)
    return Png(header, short[b"PLTE"], short[b"tRNS"], joined, exif or note)


def _chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """Return (type, start, end) of every chunk's body; check the checksums."""
    found: list[tuple[bytes, int, int]] = []
    view, position = memoryview(data), len(SIGNATURE)
    while len(found) < _MOST_CHUNKS:
        start = position + 8
        if start > len(data):
            raise ValueError("it is cut off")
        size, kind = _HEAD.unpack_from(data, position)
        end = start + size
        if end + 4 > len(data):
            raise ValueError(f"it is cut off in a chunk {repr(kind)[2:-1]}")
        if zlib.crc32(view[position + 4 : end]) != _SUM.unpack_from(data, end)[0]:
            raise ValueError(f"the checksum of a chunk {repr(kind)[2:-1]} is wrong")
        if kind == b"IEND":
            return found
        found.append((kind, start, end))
        position = end + 4
    raise ValueError(f"it has more than {_MOST_CHUNKS:,} chunks")


def _require_dense(pixels: bytes | memoryview, most: int) -> None:
    """Raise for nearly empty blocks, whose tables take a decoder 70 ns a byte; it takes ``most`` unpacked bytes."""
    if len(pixels) <= _QUICK:
        return
    unpacker = zlib.decompressobj()
    for start in range(0, len(pixels), _PART):
        part: bytes | memoryview = pixels[start : start + _PART]
        least = int(len(part) * _DENSE)
        while part and most > 0:
            out = len(unpacker.decompress(part, _PART))
            part, most, least = unpacker.unconsumed_tail, most - out, least - out
        if unpacker.eof or most <= 0:
            return
        if least > 0:
            raise ValueError("its pixels are packed in blocks that hold next to nothing")


def unpacked(kind: bytes, body: bytes) -> bytes:
    """Read a text chunk after its keyword; empty if it is damaged.

    A zTXt note starts with its compression method. Then, packed or not, come an empty line, a line with a name, one
    with a length, and lines of hexadecimal digits.
    """
    try:
        text = zlib.decompressobj().decompress(body[1:], _LARGEST_NOTE) if kind == b"zTXt" else body
        return bytes.fromhex(b"".join(text.split(b"\n", 3)[3:]).decode("ascii"))
    except (ValueError, zlib.error):
        return b""
