"""From a path, bytes, Pillow image or array to grey levels."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from ..errors import InputError
from ..files import read_bytes

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

__all__ = ["Image", "decode"]

Image: TypeAlias = Union[str, "os.PathLike[str]", bytes, "PIL.Image.Image", "NDArray[Any]"]
"""What counts as an image: a path, the bytes of a file, a Pillow image, or an array (see :func:`decode`)."""

FILE_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF")
MAX_PIXELS = 64_000_000
MAX_FILE_BYTES = 256 * 2**20


def decode(image: Image) -> "NDArray[np.uint8]":
    """Give the grey levels of an image as uint8[H, W], 0 black to 255 white.

    A file is PNG, JPEG, BMP, WebP or GIF (its first frame), turned as its EXIF orientation says. Colour becomes
    luma (ITU-R 601-2, as in Pillow's ``convert("L")``), 16-bit grey is divided by 257 and rounded, and what is
    transparent is laid on the background that its visible part stands out from.

    An array is H×W, H×W×1, H×W×3 (RGB) or H×W×4 (RGBA), of dtype uint8, uint16, bool, or float in 0.0 to 1.0.

    Raises:
        InputError: missing, unreadable, too large, or an array of another shape, dtype or range.
    """
    import numpy as np

    if isinstance(image, np.ndarray):
        return _from_array(image)
    if isinstance(image, bytes):
        return _from_bytes(image, f"given as {len(image)} bytes")
    if isinstance(image, str | os.PathLike):
        return _from_bytes(read_bytes(Path(image), "image", limit=MAX_FILE_BYTES), f"'{image}'")
    if hasattr(image, "getbands"):
        return _from_given(image)
    raise InputError(f"An image is a path, bytes, a Pillow image or a numpy array, not {type(image).__name__}.")


def _from_bytes(data: bytes, name: str) -> "NDArray[np.uint8]":
    import io

    import PIL.Image
    import PIL.ImageOps

    try:
        with PIL.Image.open(io.BytesIO(data), formats=FILE_FORMATS) as opened:
            _check_size(*opened.size, name)
            if opened.format == "PNG":
                _check_png_sums(data)
            return _from_pillow(PIL.ImageOps.exif_transpose(opened))
    except InputError:
        raise
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise InputError(f"The image {name} has more than {MAX_PIXELS:,} pixels and was not opened.") from None
    except PIL.UnidentifiedImageError:
        raise InputError(f"The image {name} is not a readable {', '.join(FILE_FORMATS[:-1])} or GIF file.") from None
    except Exception as error:  # Pillow's decoders raise whatever a damaged file makes them trip over
        raise InputError(f"The image {name} is damaged: {error}.") from None


def _from_given(image: "PIL.Image.Image") -> "NDArray[np.uint8]":
    import PIL.ImageOps

    _check_size(*image.size, "given")
    try:
        return _from_pillow(PIL.ImageOps.exif_transpose(image))
    except InputError:
        raise
    except Exception as error:  # a lazily opened file may be damaged or closed, a mode may have no grey levels
        raise InputError(f"The Pillow image of mode {image.mode} cannot be read: {error}.") from None


def _check_png_sums(data: bytes) -> None:
    """Pillow skips the checksums of pixel data when it decodes; ``verify`` looks at all of them."""
    import io

    import PIL.Image

    with PIL.Image.open(io.BytesIO(data), formats=("PNG",)) as opened:
        opened.verify()


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(f"The image {name} is {width}×{height}: more than {MAX_PIXELS:,} pixels, not opened.")
    if width < 1 or height < 1:
        raise InputError(f"The image {name} is {width}×{height}: it has no pixels.")


def _from_pillow(image: "PIL.Image.Image") -> "NDArray[np.uint8]":
    import numpy as np

    if image.mode.startswith("I"):
        levels = np.asarray(image)
        if levels.min() < 0 or levels.max() > 65535:
            raise InputError(f"The image's grey levels run from {levels.min()} to {levels.max()}, not 0 to 65535.")
        return _from_uint16(levels.astype(np.uint16))
    if image.mode == "F":
        raise InputError("A Pillow image of mode F has no defined range: give a float array in 0.0 to 1.0.")
    if image.has_transparency_data:
        return _flatten(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("L"))


def _from_array(array: "NDArray[Any]") -> "NDArray[np.uint8]":
    import numpy as np

    got = f"{array.dtype}[{', '.join(map(str, array.shape))}]"
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise InputError(f"An image array is H×W, H×W×1, H×W×3 or H×W×4; this one is {got}.")
    _check_size(array.shape[1], array.shape[0], f"array {got}")
    levels = _to_uint8(array, got)
    if levels.ndim == 2:
        return levels
    if levels.shape[2] == 4:
        return _flatten(levels)
    import PIL.Image

    return np.asarray(PIL.Image.fromarray(np.ascontiguousarray(levels)).convert("L"))


def _to_uint8(array: "NDArray[Any]", got: str) -> "NDArray[np.uint8]":
    import numpy as np

    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return _from_uint16(array)
    if array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):  # written so that NaN is refused
            raise InputError(f"A float image is in 0.0 to 1.0; this {got} runs from {array.min()} to {array.max()}.")
        return np.rint(array.astype(np.float64) * 255).astype(np.uint8)
    raise InputError(f"An image array is uint8, uint16, bool, or float in 0.0 to 1.0; this one is {got}.")


def _from_uint16(levels: "NDArray[np.uint16]") -> "NDArray[np.uint8]":
    import numpy as np

    return ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _flatten(rgba: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Lay RGBA on white if what is visible is dark on average, else on black."""
    import numpy as np
    import PIL.Image

    luma = np.asarray(PIL.Image.fromarray(np.ascontiguousarray(rgba[:, :, :3])).convert("L"))
    alpha = rgba[:, :, 3]
    laid = np.multiply(luma, alpha, dtype=np.uint16)  # at most 255 · 255, here and below
    if int(laid.sum(dtype=np.uint64)) < 128 * int(alpha.sum(dtype=np.uint64)) or not alpha.any():
        laid += np.multiply(255 - alpha, 255, dtype=np.uint16)
    grey: NDArray[np.uint8] = ((laid + np.uint16(127)) // np.uint16(255)).astype(np.uint8)
    return grey
