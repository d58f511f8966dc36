"""Read the images of a data set from their files on demand."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec
from lenetx_runtime.files import read_bytes
from lenetx_runtime.limits import DEFAULT_LIMITS
from lenetx_runtime.preprocess import decode, frame

from ..errors import InputError
from .dataset import Split

__all__ = ["FileSplit"]


@dataclass(frozen=True, slots=True)
class FileSplit:
    """Grey or RGB image files of any size below a folder, and their labels.

    Attributes:
        folder: the folder that the paths are relative to.
        files: the N paths, with ``/`` as separator.
        labels: int64[N].
    """

    folder: Path
    files: tuple[str, ...]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.int64]) -> "FileSplit":
        """Return a split of the rows with these indices, in this order."""
        return FileSplit(self.folder, tuple(self.files[row] for row in rows.tolist()), self.labels[rows])

    def name(self, row: int) -> str:
        """Return the path of one file below the folder."""
        return self.files[row]

    def levels(self, row: int, channels: int) -> NDArray[np.uint8]:
        """Decode one file: uint8[H, W] or uint8[H, W, 3].

        Raises:
            InputError: the file is missing, not a regular file, not an image, or damaged.
        """
        return decode(self.folder / self.files[row], channels)

    def framed(self, spec: ModelSpec) -> Split:
        """Decode and frame every file: uint8[N, h, w] or uint8[N, h, w, 3].

        Raises:
            InputError: a file cannot be read or framed.
        """
        pixel = () if spec.channels == 1 else (spec.channels,)
        frames = np.empty((len(self), *spec.frame_size, *pixel), np.uint8)
        for row in range(len(self)):
            frames[row] = frame(self.levels(row, spec.channels), spec)
        return Split(frames, self.labels)

    def add_to(self, digest: Any) -> None:
        """Update a ``hashlib`` digest with the paths, labels and digests of the files."""
        for file, label in zip(self.files, self.labels.tolist(), strict=True):
            try:
                content = hashlib.sha256(
                    read_bytes(self.folder / file, "image", limit=DEFAULT_LIMITS.image_bytes)
                ).hexdigest()
            except InputError:
                content = "unreadable"
            digest.update(f"{file}\n{label} {content}\n".encode(errors="surrogateescape"))
