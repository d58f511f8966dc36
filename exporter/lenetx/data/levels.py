"""Convert arrays to uint8 grey levels if the conversion is exact."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

__all__ = ["exact_levels"]


def exact_levels(place: str, array: NDArray[Any]) -> tuple[NDArray[np.uint8], str]:
    """Return an array as uint8 of the same shape, and " ÷ 255" if its numbers were levels divided by 255, else "".

    Args:
        place: the subject of messages about the array.
        array: integers or floating-point numbers, at least one.

    Raises:
        DataError: the numbers are neither levels from 0 to 255 nor such levels ÷ 255.
    """
    low, high = array.min(), array.max()
    scale = 255 if array.dtype.kind == "f" and high <= 1 else 1
    if low >= 0 and high * scale <= 255:  # False for NaN
        levels: NDArray[np.uint8] = np.rint(array * scale).astype(np.uint8)
        if np.array_equal(levels if scale == 1 else (levels / scale).astype(array.dtype), array):
            return levels, " ÷ 255" if scale > 1 else ""
    raise DataError(f"{place} from {low:g} to {high:g}, no exact grey levels: save whole numbers from 0 to 255.")
