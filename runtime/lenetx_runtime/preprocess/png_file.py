"""PNG files, walked chunk by chunk: every checksum is checked, and only what decides a pixel reaches the decoder.

Pillow skips the checksums of pixel data, and unpacks every compressed note: a file of 2 MiB can keep it busy for
seconds. Source: Portable Network Graphics Specification, Third Edition, sections 5 and 11.
"""

import struct
import zlib
from typing import NamedTuple

__all__ = ["SIGNATURE", "Png", "read_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_HEAD = struct.Struct(">I4s")
_SUM = struct.Struct(">I")
_HEADER = struct.Struct(">II5B")
_MOST_CHUNKS = 2**17
"""Four times what a file of 256 MiB has where a chunk of pixels is 8 KiB, as libpng writes them."""
_NOTE = b"Raw profile type exif\0"
"""Keyword of the notes in which programs kept EXIF before PNG had a chunk for it."""
_LARGEST_NOTE = 2**20
_PLAIN = {0: "L", 2: "RGB", 4: "LA", 6: "RGBA"}
"""Pillow's modes of the colour types that need no palette, at 8 bits."""


class Png(NamedTuple):
    """What of a PNG file decides how it looks.

    Attributes:
        header: the body of its IHDR chunk.
        palette: its PLTE and tRNS chunks, whole.
        pixels: the bodies of its IDAT chunks, joined.
        exif: its EXIF data, where it has some.
    """

    header: bytes
    palette: bytes
    pixels: bytes
    exif: bytes | None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        width, height, *_ = _HEADER.unpack(self.header)
        return width, height

    @property
    def plain(self) -> tuple[str, int] | None:
        """Pillow's mode, and 0 or 1 for interlaced, if it has 8 bits, no palette and no transparent colour."""
        _, _, depth, colour, compression, filtering, interlace = _HEADER.unpack(self.header)
        if self.palette or depth != 8 or compression or filtering or interlace > 1 or colour not in _PLAIN:
            return None
        return _PLAIN[colour], interlace

    def to_bytes(self) -> bytes:
        """Give a PNG file of these parts, but for the EXIF data."""
        return b"".join(
            (SIGNATURE, _chunk(b"IHDR", self.header), self.palette, _chunk(b"IDAT", self.pixels), _chunk(b"IEND", b""))
        )


def read_png(data: bytes) -> Png:
    """Walk a file that starts with :data:`SIGNATURE` to its IEND chunk; what stands behind that is ignored.

    Raises:
        ValueError: it is damaged.
    """
    (first, start, end), *chunks = _chunks(data) or [(b"", 0, 0)]
    if first != b"IHDR" or end - start != _HEADER.size:
        raise ValueError("it does not start with a header")
    header = data[start:end]
    palette: list[bytes] = []
    pixels: list[bytes] = []
    exif: bytes | None = None
    note: bytes | None = None
    previous = b""
    for kind, start, end in chunks:
        if kind == b"IDAT" and (not pixels or previous == kind):
            pixels.append(data[start:end])
        elif kind in (b"IDAT", b"IHDR"):
            raise ValueError("it has two headers, or its pixels are not in one piece")
        elif kind in (b"PLTE", b"tRNS") and not pixels:
            palette.append(data[start - 8 : end + 4])
        elif kind == b"eXIf":
            exif = data[start:end]
        elif note is None and kind in (b"tEXt", b"zTXt") and data.startswith(_NOTE, start, end):
            note = _unpacked(kind, data[start + len(_NOTE) : end])
        previous = kind
    if not pixels:
        raise ValueError("it has no pixels")
    return Png(header, b"".join(palette), pixels[0] if len(pixels) == 1 else b"".join(pixels), exif or note)


def _chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """Give (type, start and end of the body) of every chunk before IEND, all sums checked."""
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


def _chunk(kind: bytes, body: bytes) -> bytes:
    return _HEAD.pack(len(body), kind) + body + _SUM.pack(zlib.crc32(body, zlib.crc32(kind)))


def _unpacked(kind: bytes, body: bytes) -> bytes:
    """Read a note behind its keyword, empty where it is damaged.

    For zTXt it starts with the way of packing; then, packed or not, come an empty line, a line with a name, one with a
    length, and lines of hexadecimal digits.
    """
    try:
        text = zlib.decompressobj().decompress(body[1:], _LARGEST_NOTE) if kind == b"zTXt" else body
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except (ValueError, zlib.error):
        return b""
