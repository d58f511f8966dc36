"""Strip JPEG and GIF files of metadata, which affects no pixel and which Pillow reads slowly, in Python.

Sources: ITU-T T.81, annex B; Graphics Interchange Format, version 89a, CompuServe, 1990.
"""

import re

__all__ = ["first_frame", "scans", "without_notes"]

_START = b"\xff\xd8"
_FILLED = re.compile(rb"\xff+")
_SCAN = 0xDA
_END = 0xD9
_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x00, 0x01, *range(0xD0, 0xD9)}
"""Markers without a body, and 00, which is not a marker."""
_NOTES = {*range(0xE1, 0xF0), 0xFE} - {0xEE}
"""Markers of metadata, except APP0 (JFIF) and APP14 (Adobe), which affect colour."""
_MOST_MARKERS = 2**13
_LARGEST_HEAD = 2**16
"""Maximum bytes before the first scan; a decoder has room for 4 KiB of tables."""
_SCREEN_SIZE = 13
_EXTENSION, _FRAME, _TRAILER = 0x21, 0x2C, 0x3B
_CONTROL = 0xF9
_TRANSPARENT = 1
_MOST_BLOCKS = 2**17
_ROOM, _PER_PIXEL = 2**16, 2
"""Maximum bytes of a frame: a fixed number, plus this many per pixel (of up to 12 bits)."""


def without_notes(data: bytes) -> tuple[bytes, bytes | None]:
    """Return a JPEG file without metadata and fill bytes, and its EXIF data or ``None``.

    Raises:
        ValueError: it is damaged before its first scan, or has two sizes or far too many tables.
    """
    kept, exif, sizes, position, left = [_START], None, 0, len(_START), _LARGEST_HEAD
    for _ in range(_MOST_MARKERS):
        marker, position = _next_marker(data, position)
        if marker in _ALONE:
            continue
        if marker == _END or position + 2 > len(data):
            break
        if marker == _SCAN:
            return b"".join((*kept, b"\xff", _unfilled(data, position - 1))), exif
        end = position + int.from_bytes(data[position : position + 2], "big")
        sizes += marker in _SIZES
        if end > len(data) or sizes > 1:
            break
        if marker not in _NOTES:
            left -= end - position
            if left < 0:
                raise ValueError(f"its tables have more than {_LARGEST_HEAD:,} bytes")
            kept.append(data[position - 2 : end])
        elif marker == 0xE1 and exif is None and data.startswith(b"Exif\0\0", position + 2):
            exif = data[position + 2 : end]
        position = end
    raise ValueError("its markers do not lead to a picture")


def scans(data: bytes) -> int:
    """Count a decoder's passes over the image; within one, FF is always followed by 00 or a marker."""
    return data.count(b"\xff\xda")


def _unfilled(data: bytes, start: int) -> bytes | memoryview:
    """Remove fill bytes, which a decoder rereads with each part of a file."""
    rest = memoryview(data)[start:]
    return rest if data.find(b"\xff\xff", start) < 0 else _FILLED.sub(b"\xff", rest)


def _next_marker(data: bytes, position: int) -> tuple[int, int]:
    """Return the next marker and the offset after it."""
    filled = _FILLED.search(data, position)
    if filled is None or filled.end() == len(data):
        return _END, len(data)
    return data[filled.end()], filled.end() + 1


def first_frame(data: bytes) -> bytes:
    """Return a GIF file up to its first frame, without extensions except the one for its transparency.

    Raises:
        ValueError: it is damaged before its first frame.
    """
    if len(data) < _SCREEN_SIZE:
        raise ValueError("it is cut off")
    flags = data[10]
    start = _SCREEN_SIZE + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    control, position, blocks = b"", start, 0
    while position + 1 < len(data) and data[position] != _TRAILER and blocks < _MOST_BLOCKS:
        if data[position] == _FRAME:
            width, height = (int.from_bytes(data[position + at : position + at + 2], "little") for at in (5, 7))
            return data[:start] + control + data[position : position + _ROOM + _PER_PIXEL * width * height]
        if data[position] != _EXTENSION:  # some writers add an end of blocks
            position, blocks = position + 1, blocks + 1
            continue
        if data[position + 1] == _CONTROL and data[position + 2 : position + 3] == b"\4":
            transparent = data[position + 3 : position + 4] + b"\0\0" + data[position + 6 : position + 7]
            if transparent[0] & _TRANSPARENT:
                control = bytes((_EXTENSION, _CONTROL, 4, _TRANSPARENT)) + transparent[1:] + b"\0"
        position += 2
        while position < len(data) and data[position] and blocks < _MOST_BLOCKS:
            position, blocks = position + 1 + data[position], blocks + 1
        position, blocks = position + 1, blocks + 1
    raise ValueError("it has no frame")
