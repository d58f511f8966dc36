"""Convert arrays and Pillow images to grey or RGB levels."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..limits import Limits

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

__all__ = ["from_array", "from_pillow", "require_size"]

_BAND = 2**15
"""Pixels converted at a time."""
_DEPTHS = 2**8 - 1, 2**10 - 1, 2**12 - 1, 2**16 - 1
"""Possible levels of white: cameras and medical images have 10 and 12 bits."""
_TWICE = 1.01 / 255
"""A float image without a larger value was divided by 255 twice."""


def require_size(width: int, height: int, name: str, limits: Limits) -> None:
    """Check that an image has pixels, but not too many.

    Raises:
        InputError: it has none, or more than the limit.
    """
    if width * height > limits.image_pixels:
        most = f"more than {limits.image_pixels:,} pixels, not opened; Limits(image_pixels=…) allows more"
        raise InputError(f"The image {name} is {width}×{height}: {most}.")
    if width < 1 or height < 1:
        raise InputError(f"The image {name} is {width}×{height}: it has no pixels.")


def from_pillow(image: "PIL.Image.Image", channels: int) -> "NDArray[np.uint8]":
    """Return the levels of a Pillow image as ``decode`` does, but without applying its orientation.

    Raises:
        InputError: a mode or a range without levels of 0 to 255 or to 65,535.
    """
    import numpy as np

    if image.mode.startswith("I"):
        levels = np.asarray(image)
        return _as_channels(_from_whole(levels, int(levels.min()), int(levels.max())), channels)
    if image.mode == "F":
        raise InputError("A Pillow image of mode F has no defined range: give a float array in 0.0 to 1.0.")
    if image.has_transparency_data:
        return _flatten(_pixels(image, "RGBA", 4), channels)
    return _pixels(image, "L", 1) if channels == 1 else _pixels(image, "RGB", 3)


def from_array(array: "NDArray[Any]", channels: int, limits: Limits) -> "NDArray[np.uint8]":
    """Return the levels of an array as ``decode`` does.

    Raises:
        InputError: wrong rank, depth, dtype or range, too many pixels or none; the error describes the array.
    """
    import numpy as np

    if isinstance(array, np.ma.MaskedArray):
        raise InputError("The image is a masked array, of which some levels are not to be used: fill it first.")
    array = np.asarray(array)
    shape = array.shape
    if len(shape) == 3 and shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and shape[2] in (3, 4))):
        raise InputError(f"An image array is H×W, H×W×1, H×W×3 or H×W×4; this one is {_described(array.dtype, shape)}.")
    if not 1 <= shape[0] * shape[1] <= limits.image_pixels:
        require_size(shape[1], shape[0], f"array {_described(array.dtype, shape)}", limits)
    by_columns = abs(array.strides[0]) < abs(array.strides[1])  # memory order is 5 times as fast
    levels = _to_uint8(array.swapaxes(0, 1) if by_columns else array, shape)
    levels = _flatten(levels, channels) if levels.ndim == 3 and shape[2] == 4 else _as_channels(levels, channels)
    return np.ascontiguousarray(levels.swapaxes(0, 1)) if by_columns else levels


def _described(dtype: "np.dtype[Any]", shape: tuple[int, ...]) -> str:
    return f"{dtype}[{', '.join(map(str, shape))}]"


def _to_uint8(array: "NDArray[Any]", shape: tuple[int, ...]) -> "NDArray[np.uint8]":
    import numpy as np

    kind = array.dtype.newbyteorder("=")
    if kind == np.uint8:
        return array
    if kind == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf":
        raise InputError(
            "An image array is bool, of whole numbers in 0 to 255 or to 65535, or of floats in 0.0 to 1.0; "
            f"this one is {_described(array.dtype, shape)}."
        )
    least, most = _range(array)
    if kind.kind != "f":
        return _from_whole(array, int(least), int(most))
    if least >= 0 and most <= 1:  # False for NaN
        white = 255 * (255 if most <= _TWICE else 1)
        return _in_bands(array, lambda part: np.rint(part.astype(np.float64) * white))
    if least >= 0 and most <= 255 and all(np.array_equal(part, np.rint(part)) for part in _parts(array)):
        return _in_bands(array, lambda part: part)
    raise InputError(
        f"A float image is in 0.0 to 1.0, or of whole numbers in 0 to 255; this {_described(array.dtype, shape)} "
        f"runs from {least} to {most}."
    )


def _range(array: "NDArray[Any]") -> tuple[Any, Any]:
    import numpy as np

    with np.errstate(all="ignore"):
        ends = [(part.min(), part.max()) for part in _parts(array)]
        return np.min([low for low, _ in ends]), np.max([high for _, high in ends])


def _parts(array: "NDArray[Any]") -> "Iterator[NDArray[Any]]":
    """Yield the array in parts of a fast dtype: all at once would take 1 GiB."""
    height, width = array.shape[:2]
    wide = {("f", 2): "f4", ("f", 16): "f8"}.get((array.dtype.kind, array.dtype.itemsize), array.dtype)
    for rows in _bands(height, width):
        for columns in _bands(width, 1):
            yield array[rows, columns].astype(wide, copy=False)


def _in_bands(array: "NDArray[Any]", convert: "Callable[[NDArray[Any]], NDArray[Any]]") -> "NDArray[np.uint8]":
    import numpy as np

    levels = np.empty(array.shape, np.uint8)
    with np.errstate(all="ignore"):
        for source, target in zip(_parts(array), _parts(levels), strict=True):
            np.copyto(target, convert(source), casting="unsafe")
    return levels


def _from_whole(levels: "NDArray[Any]", least: int, most: int) -> "NDArray[np.uint8]":
    """Convert integers to levels, by ``_DEPTHS``."""
    import numpy as np

    if least < 0 or most > _DEPTHS[-1]:
        raise InputError(f"The image's grey levels run from {least} to {most}, not 0 to 255 or 0 to 65535.")
    white = next(depth for depth in _DEPTHS if most <= depth)
    if white == 255:
        return _in_bands(levels, lambda part: part)
    return _in_bands(levels, lambda part: (part.astype(np.uint32) * 255 + white // 2) // white)


def _pixels(image: "PIL.Image.Image", mode: str, depth: int) -> "NDArray[np.uint8]":
    """Return the pixels, faster than ``np.asarray``."""
    import numpy as np

    width, height = image.size
    converted = image if image.mode == mode else image.convert(mode)
    return np.frombuffer(converted.tobytes(), np.uint8).reshape((height, width, depth)[: 2 + (depth > 1)])


def _as_channels(levels: "NDArray[np.uint8]", channels: int) -> "NDArray[np.uint8]":
    import numpy as np

    if levels.ndim == 2:
        return levels if channels == 1 else np.repeat(levels[:, :, None], 3, axis=2)
    return levels if channels == 3 else _luma(levels)


def _luma(colours: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    import numpy as np
    import PIL.Image

    return _pixels(PIL.Image.fromarray(np.ascontiguousarray(colours)), "L", 1)


def _flatten(rgba: "NDArray[np.uint8]", channels: int) -> "NDArray[np.uint8]":
    """Composite RGBA onto white if its visible part is dark on average, else onto black."""
    import numpy as np

    luma, alpha = _luma(rgba), rgba[:, :, 3]
    bands = _bands(*luma.shape)
    visible = sum(int(np.multiply(luma[rows], alpha[rows], dtype=np.uint16).sum(dtype=np.uint64)) for rows in bands)
    opaque = int(alpha.sum(dtype=np.uint64))
    on_white = visible < 128 * opaque or opaque == 0
    sources = [luma] if channels == 1 else [rgba[:, :, channel] for channel in range(3)]
    laid = np.empty((*luma.shape, len(sources)), np.uint8)
    for rows in bands:
        for channel, levels in enumerate(sources):
            laid[rows, :, channel] = _laid(levels[rows], alpha[rows], on_white)
    return laid[:, :, 0] if channels == 1 else laid


def _bands(height: int, width: int) -> list[slice]:
    """Cut rows into parts that fit a CPU cache."""
    step = max(1, _BAND // width)
    return [slice(top, top + step) for top in range(0, height, step)]


def _laid(levels: "NDArray[np.uint8]", alpha: "NDArray[np.uint8]", on_white: bool) -> "NDArray[np.uint16]":
    import numpy as np

    laid = np.multiply(levels, alpha, dtype=np.uint16)  # at most 255 · 255, here and below
    if on_white:
        laid += np.multiply(255 - alpha, 255, dtype=np.uint16)
    laid += np.uint16(127)
    laid //= np.uint16(255)
    return laid
