"""What every data set is: images, labels and class names, in three parts."""

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import decode, frame_batch

__all__ = ["Dataset", "Part", "Split", "hold_out"]


class Part(Protocol):
    """One part of a data set, wherever its images lie: ``Split`` in memory, ``FileSplit`` in files."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64[N]."""

    def __len__(self) -> int:
        """Count the images."""

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return the rows of these indices, in their order."""

    def name(self, row: int) -> str:
        """Describe in a few words which image that is."""

    def levels(self, row: int, channels: int) -> NDArray[np.uint8]:
        """Return one image as the runtime's ``decode`` does, uint8[H, W] or uint8[H, W, 3].

        Raises:
            InputError: it cannot be read.
        """

    def framed(self, spec: ModelSpec) -> "Split":
        """Return the same part with its images framed as the runtime frames them.

        They are uint8[N, h, w] or uint8[N, h, w, 3], as many channels as the spec has and h × w its ``frame_size``.

        Raises:
            InputError: an image cannot be read or framed.
        """

    def add_to(self, digest: Any) -> None:
        """Feed all that the part holds to a digest of ``hashlib``."""


@dataclass(frozen=True, slots=True)
class Split:
    """Images uint8[N, H, W] (grey) or uint8[N, H, W, 3] (RGB) as their source has them, and labels int64[N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.int64]) -> "Split":
        """Return the rows of these indices, in their order."""
        return Split(self.images[rows], self.labels[rows])

    def name(self, row: int) -> str:
        """Name image that is, by its number from 0."""
        return f"image {row}"

    def levels(self, row: int, channels: int) -> NDArray[np.uint8]:
        """Return one image as the runtime's ``decode`` does, uint8[H, W] or uint8[H, W, 3]."""
        return decode(self.images[row], channels)

    def framed(self, spec: ModelSpec) -> "Split":
        """Return the same split with its images framed as the runtime frames them.

        They are uint8[N, h, w] or uint8[N, h, w, 3], as many channels as the spec has and h × w its ``frame_size``.
        """
        return Split(frame_batch(self.images, spec), self.labels)

    def add_to(self, digest: Any) -> None:
        """Feed shape, images and labels to a digest of ``hashlib``."""
        digest.update(f"{self.images.shape}\n".encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(self.labels.astype("<i8").tobytes())


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set for an image classifier.

    Attributes:
        name: as ``--data`` takes it, or the base name of a set of one's own: no path of the machine.
        train: what the weights are fitted to.
        validation: what chooses between weights.
        test: looked at once, at the end.
        class_names: the name of every label.
        epochs: passes over ``train`` that are a sensible default.
        batch_size: images per step that are a sensible default.
        framing: how its images become frames, see ``ModelSpec.framing``.
        unusable: why rows were left out that are in no part, a few words each.
        notices: what a user should know of the set, a sentence each.
    """

    name: str
    train: Part
    validation: Part
    test: Part
    class_names: tuple[str, ...]
    epochs: int
    batch_size: int
    framing: str = "mnist"
    unusable: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def digest(self) -> str:
        """Return the SHA-256 of class names, images and labels of all parts, every file being read and none decoded."""
        digest = hashlib.sha256("\0".join(self.class_names).encode(errors="surrogateescape"))
        for part in (self.train, self.validation, self.test):
            digest.update(f"\n{len(part)} images\n".encode())
            part.add_to(digest)
        return digest.hexdigest()


def hold_out(split: Split, count: int) -> tuple[Split, Split]:
    """Divide a split in (the rest, ``count`` rows), always the same ones and whatever the training seed is."""
    order = np.random.default_rng(0).permutation(len(split))
    return split.take(np.sort(order[count:])), split.take(np.sort(order[:count]))
