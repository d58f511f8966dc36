"""Define what every data set has: training, validation and test parts of images and labels, and class names."""

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import decode, frame_batch

__all__ = ["Dataset", "Part", "Split", "hold_out"]


class Part(Protocol):
    """The interface of one part of a data set: ``Split`` holds images in memory, ``FileSplit`` reads files."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64[N]."""

    def __len__(self) -> int:
        """Return the number of images."""

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return a part of the rows with these indices, in this order."""

    def name(self, row: int) -> str:
        """Return a short name for one image, for messages."""

    def levels(self, row: int, channels: int) -> NDArray[np.uint8]:
        """Decode one image with the runtime's ``decode``: uint8[H, W] or uint8[H, W, 3].

        Raises:
            InputError: the image cannot be read.
        """

    def framed(self, spec: ModelSpec) -> "Split":
        """Return the part with its images framed by the runtime's preprocessing.

        The frames are uint8[N, h, w] or uint8[N, h, w, 3], with the spec's channels and (h, w) = ``frame_size``.

        Raises:
            InputError: an image cannot be read or framed.
        """

    def add_to(self, digest: Any) -> None:
        """Update a ``hashlib`` digest with everything in the part."""


@dataclass(frozen=True, slots=True)
class Split:
    """Unframed images, uint8[N, H, W] (grey) or uint8[N, H, W, 3] (RGB), and labels, int64[N], in memory."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.int64]) -> "Split":
        """Return a split of the rows with these indices, in this order."""
        return Split(self.images[rows], self.labels[rows])

    def name(self, row: int) -> str:
        """Return a short name for one image, for messages: its number from 0."""
        return f"image {row}"

    def levels(self, row: int, channels: int) -> NDArray[np.uint8]:
        """Decode one image with the runtime's ``decode``: uint8[H, W] or uint8[H, W, 3]."""
        return decode(self.images[row], channels)

    def framed(self, spec: ModelSpec) -> "Split":
        """Return the split with its images framed by the runtime's preprocessing.

        The frames are uint8[N, h, w] or uint8[N, h, w, 3], with the spec's channels and (h, w) = ``frame_size``.
        """
        return Split(frame_batch(self.images, spec), self.labels)

    def add_to(self, digest: Any) -> None:
        """Update a ``hashlib`` digest with the shape, images and labels."""
        digest.update(f"{self.images.shape}\n".encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(self.labels.astype("<i8").tobytes())


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set for an image classifier.

    Attributes:
        name: the value of ``--data``, or the base name of a custom set; never a full path.
        train: the images that the weights are fitted to.
        validation: the images that select among weights.
        test: the images that the final weights are evaluated on, once.
        class_names: the name of each label.
        epochs: default number of passes over ``train``.
        batch_size: default number of images per step.
        framing: how its images become frames; see ``ModelSpec.framing``.
        unusable: for each row that was left out, why, in a few words.
        notices: what a user should know about the set, one sentence each.
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
        """Return the SHA-256 of the class names, images and labels; files are read but not decoded."""
        digest = hashlib.sha256("\0".join(self.class_names).encode(errors="surrogateescape"))
        for part in (self.train, self.validation, self.test):
            digest.update(f"\n{len(part)} images\n".encode())
            part.add_to(digest)
        return digest.hexdigest()


def hold_out(split: Split, count: int) -> tuple[Split, Split]:
    """Divide a split into (the rest, ``count`` rows); the choice is fixed and ignores the training seed."""
    order = np.random.default_rng(0).permutation(len(split))
    return split.take(np.sort(order[count:])), split.take(np.sort(order[:count]))
