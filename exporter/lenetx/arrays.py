"""Arrays of numbers in .npy files, for and from programs of someone else's."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime.files import read_bytes

from .errors import InputError
from .files import write_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read_array", "write_array"]


def read_array(path: Path) -> "NDArray[Any]":
    """Read a .npy file; what would have to be unpickled is refused.

    Raises:
        InputError: missing, a directory, or no array of numbers.
    """
    import numpy as np

    data = read_bytes(path, "file")
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError):
        raise InputError(f"'{path}' is no array of numbers in numpy's .npy format: numpy.save writes them.") from None
    if not isinstance(array, np.ndarray):
        raise InputError(f"'{path}' holds several arrays: save one with numpy.save.")
    return array


def write_array(path: Path, array: "NDArray[Any]") -> None:
    """Write a .npy file whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    import numpy as np

    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    write_atomically(path, content.getvalue())
