"""Limit the size of files and images, to guard against input that would exhaust time or memory."""

import dataclasses
from dataclasses import dataclass

from .errors import InputError

__all__ = ["DEFAULT_LIMITS", "Limits", "size_in_words"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Maximum sizes of files and images to open; larger ones are rejected before they are read.

    Attributes:
        image_bytes: of an image file.
        image_pixels: width × height of an image from any source. Images of the default limit take up to 2 s and 1 GiB
            to decode; beyond 178,956,970 pixels Pillow's own limit also applies to WebP and GIF files.
        model_bytes: of a model file.

    Raises:
        InputError: a limit is not a whole number of 1 or more.
    """

    image_bytes: int = 256 * 2**20
    image_pixels: int = 25_000_000
    model_bytes: int = 2 * 2**30

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f"The limit {field.name} is {value!r}; it must be a whole number of 1 or more.")


DEFAULT_LIMITS = Limits()


def size_in_words(size: int) -> str:
    """Return a number of bytes for an error message, in MiB if that is a whole number."""
    return f"{size // 2**20} MiB" if size >= 2**20 and size % 2**20 == 0 else f"{size:,} bytes"
