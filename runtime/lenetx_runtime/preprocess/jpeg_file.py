"""JPEG files, walked marker by marker: only what decides a pixel reaches the decoder.

Pillow reads every note of a JPEG file in Python, byte by byte where it finds none; libjpeg reads every scan of a
progressive file over the whole picture. Source: ITU-T T.81, annex B.
"""

import re

__all__ = ["scans", "without_notes"]

_START = b"\xff\xd8"
_FILLED = re.compile(rb"\xff+")
_SCAN = 0xDA
_END = 0xD9
_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x00, 0x01, *range(0xD0, 0xD9)}
"""Markers without a body; 00 is no marker at all."""
_NOTES = {*range(0xE1, 0xF0), 0xFE} - {0xEE}
"""Of what programs add, APP0 (JFIF) and APP14 (Adobe) alone say something about colour."""
_MOST_MARKERS = 2**13
_LARGEST_HEAD = 2**16
"""Bytes of all that is kept before the first scan; a decoder has room for 4 KiB of tables."""


def without_notes(data: bytes) -> tuple[bytes, bytes | None]:
    """Return the file without its notes and fill bytes, and its EXIF data if it has some.

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
    """Count a decoder's passes over the picture; inside of one, FF is always followed by 00 or a marker."""
    return data.count(b"\xff\xda")


def _unfilled(data: bytes, start: int) -> bytes | memoryview:
    """Leave out fill bytes: a decoder that is given a file in parts looks at all of them again with each part."""
    rest = memoryview(data)[start:]
    return rest if data.find(b"\xff\xff", start) < 0 else _FILLED.sub(b"\xff", rest)


def _next_marker(data: bytes, position: int) -> tuple[int, int]:
    """Give the next marker and the place behind it, past fill bytes and what does not belong there."""
    filled = _FILLED.search(data, position)
    if filled is None or filled.end() == len(data):
        return _END, len(data)
    return data[filled.end()], filled.end() + 1
