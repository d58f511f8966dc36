"""Read and write arrays as files: .npy to exchange with other programs, PNG to look at."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime.files import read_bytes

from ..errors import InputError
from ..files import write_atomically

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["read_array", "write_array", "write_picture"]


def read_array(path: Path) -> "NDArray[Any]":
    """Read a .npy file; reject pickled objects.

    Raises:
        InputError: it is missing, a directory, or not an array of numbers.
    """
    import numpy as np

    data = read_bytes(path, "file")
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError):
        raise InputError(
            f"'{path}' is not an array of numbers in numpy's .npy format, as numpy.save writes it."
        ) from None
    if not isinstance(array, np.ndarray):
        raise InputError(f"'{path}' holds several arrays: save one with numpy.save.")
    return array


def write_array(path: Path, array: "NDArray[Any]") -> None:
    """Write a .npy file atomically.

    Raises:
        OutputError: it cannot be written.
    """
    import numpy as np

    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    write_atomically(path, content.getvalue())


def write_picture(path: Path, frames: "Sequence[NDArray[np.uint8]]") -> None:
    """Write uint8[h, w] or uint8[h, w, 3] frames of one size as a PNG file, stacked vertically.

    Raises:
        OutputError: it cannot be written.
    """
    import numpy as np
    import PIL.Image

    content = io.BytesIO()
    PIL.Image.fromarray(np.concatenate(frames)).save(content, "PNG")
    write_atomically(path, content.getvalue())
