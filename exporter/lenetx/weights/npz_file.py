"""Read numpy's ``.npz`` archives of weights by name."""

import io
import zipfile
from typing import Any

from ..data import archive
from ..errors import ArtifactError
from .found import Found, Source

__all__ = ["read", "recognises"]

_NPY = ".npy"
_MOST_TIMES, _ALWAYS = 16, 2**26
"""Maximum size of the unpacked arrays: the larger of 16 times the file's size and 64 MiB."""


def recognises(data: bytes) -> bool:
    """Return whether the contents are an archive of ``.npy`` files only."""
    names = archive.names(data)
    return bool(names) and all(name.endswith(_NPY) for name in names)


def read(source: Source) -> Found:
    """Read the arrays; arrays of Python objects are rejected."""
    import numpy as np
    import torch

    tensors: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as opened:
            if sum(entry.file_size for entry in opened.infolist()) > max(_ALWAYS, _MOST_TIMES * len(source.data)):
                raise ArtifactError("Its arrays are far larger than the file.")
            archive.require_bounded(opened.infolist(), len(source.data))
            for entry in opened.infolist():
                content = io.BytesIO(opened.read(entry))
                array = _array(content)
                name = entry.filename.removesuffix(_NPY)
                if name in tensors:
                    raise ArtifactError(f"It holds {name} twice.")
                tensors[name] = torch.from_numpy(np.array(array.astype(array.dtype.newbyteorder("="))))
    except ArtifactError:
        raise
    except Exception as error:  # numpy and zipfile raise many kinds of error for damaged archives
        raise ArtifactError(f"It is not a readable .npz: {' '.join(str(error).split())}.") from None
    return Found("npz", source.require_plain(tensors))


def _array(content: io.BytesIO) -> Any:
    """Return an array from its actual bytes, so that a false header cannot exhaust the memory."""
    import numpy as np

    version = np.lib.format.read_magic(content)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, fortran, dtype = header[version](content)
    if dtype.kind not in "fiub":
        raise ArtifactError(f"It holds {dtype}, which cannot be weights.")
    numbers = np.frombuffer(content.read(), dtype)
    return numbers.reshape(shape[::-1]).T if fortran else numbers.reshape(shape)
