"""From the bytes of an image file to levels, in bounded time and memory whatever the bytes are."""

from typing import TYPE_CHECKING, NamedTuple

from ..errors import InputError
from ..limits import Limits, size_in_words
from .gif_file import first_frame
from .jpeg_file import scans, without_notes
from .levels import from_pillow, require_size
from .orientation import orientation, upright
from .png_file import SIGNATURE, read_png

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    import PIL.ImageFile
    from numpy.typing import NDArray

__all__ = ["from_bytes"]

_MOST_PASSES = 100
_FULL_PASSES = 10
"""As many as programs write: the most passes over the pixels of the largest JPEG, up to 10 ns each for every pixel."""
_LARGEST_WEBP = 16 * 2**20
"""Bytes; they take up to 120 ns each, four times as long as those of a PNG or JPEG file."""
_LARGEST_PACKED = 2**20
_MOST_PACKED_PIXELS = 2**22
"""Of a run-length encoded BMP file, which Pillow unpacks in Python."""


class _Opened(NamedTuple):
    image: "PIL.Image.Image"
    exif: bytes | None = None


def from_bytes(data: bytes, name: str, channels: int, limits: Limits) -> "NDArray[np.uint8]":
    """Give levels as :func:`~lenetx_runtime.preprocess.decode` does.

    Args:
        data: of the file.
        name: what errors call it.
        channels: 1 or 3.
        limits: of its pixels; those of its bytes were checked.

    Raises:
        InputError: it is no image file, damaged, or too large.
    """
    import PIL.Image

    try:
        image, exif = _open(data, name, limits)
        return upright(from_pillow(image, channels), orientation(exif))
    except InputError:
        raise
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise InputError(f"The image {name} has more pixels than Pillow's own limit and was not opened.") from None
    except Exception as error:  # Pillow's decoders raise whatever a damaged file makes them trip over
        raise InputError(f"The image {name} is damaged: {error}.") from None


def _open(data: bytes, name: str, limits: Limits) -> _Opened:
    if data.startswith(SIGNATURE):
        return _open_png(data, name, limits)
    if data.startswith(b"\xff\xd8\xff"):
        return _open_jpeg(data, name, limits)
    if data.startswith((b"GIF87a", b"GIF89a")):
        from PIL.GifImagePlugin import GifImageFile

        return _opened(GifImageFile, first_frame(data), name, limits)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        from PIL.WebPImagePlugin import WebPImageFile

        if len(data) > _LARGEST_WEBP:
            raise InputError(f"The image {name} is a WebP file of more than {size_in_words(_LARGEST_WEBP)}.")
        return _opened(WebPImageFile, data, name, limits)
    if data.startswith(b"BM"):
        return _open_bmp(data, name, limits)
    raise InputError(f"The image {name} is not a readable PNG, JPEG, BMP, WEBP or GIF file.")


def _open_png(data: bytes, name: str, limits: Limits) -> _Opened:
    png = read_png(data)
    require_size(*png.size, name, limits)
    return _Opened(png.image(), png.exif)


def _open_jpeg(data: bytes, name: str, limits: Limits) -> _Opened:
    from PIL.JpegImagePlugin import JpegImageFile

    file, exif = without_notes(data)
    opened = _opened(JpegImageFile, file, name, limits, exif)
    width, height = opened.image.size
    passes = scans(file)
    if passes > _MOST_PASSES or passes * width * height > _FULL_PASSES * limits.image_pixels:
        raise InputError(f"The image {name} is {width}×{height} in {passes} passes, too many to be opened.")
    return opened


def _open_bmp(data: bytes, name: str, limits: Limits) -> _Opened:
    from PIL.BmpImagePlugin import BmpImageFile

    opened = _opened(BmpImageFile, data, name, limits)
    width, height = opened.image.size
    packed = any(tile[0] == "bmp_rle" for tile in getattr(opened.image, "tile", ()))
    if packed and (len(data) > _LARGEST_PACKED or width * height > _MOST_PACKED_PIXELS):
        raise InputError(f"The image {name} is a compressed BMP file of {width}×{height}, too large to be unpacked.")
    return opened


def _opened(
    plugin: "type[PIL.ImageFile.ImageFile]", data: bytes, name: str, limits: Limits, exif: bytes | None = None
) -> _Opened:
    """Open a file without decoding its pixels yet, and check its size."""
    import io

    image = plugin(io.BytesIO(data))
    require_size(*image.size, name, limits)
    return _Opened(image, exif or image.info.get("exif"))
