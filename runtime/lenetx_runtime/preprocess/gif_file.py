"""GIF files: the first frame alone, without the notes before it, which Pillow reads in Python however many there are.

Source: Graphics Interchange Format, version 89a, CompuServe, 1990.
"""

__all__ = ["first_frame"]

_SCREEN_SIZE = 13
_EXTENSION, _FRAME, _TRAILER = 0x21, 0x2C, 0x3B
_CONTROL = 0xF9
_TRANSPARENT = 1
_MOST_BLOCKS = 2**17
_ROOM, _PER_PIXEL = 2**16, 2
"""The most bytes of a frame, of which a pixel takes up to 12 bits; what stands behind them is other frames."""


def first_frame(data: bytes) -> bytes:
    """Return the file up to its first frame, but without the extensions that do not say what is transparent in it.

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
        if data[position] != _EXTENSION:  # writers leave an end of blocks too many
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
