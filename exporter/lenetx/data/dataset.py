"""What every data set is: uint8 images, labels and class names, in three parts."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import frame_batch

__all__ = ["Dataset", "Split", "hold_out"]


@dataclass(frozen=True, slots=True)
class Split:
    """Images uint8[N, H, W] (grey) or uint8[N, H, W, 3] (RGB) as their source has them, and labels int64[N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.int64]) -> "Split":
        """Give the rows of these indices, in their order."""
        return Split(self.images[rows], self.labels[rows])

    def framed(self, spec: ModelSpec) -> "Split":
        """Give the same split with its images framed as the runtime frames them.

        They are uint8[N, h, w] or uint8[N, h, w, 3], as many channels as the spec has and h × w its ``frame_size``.
        """
        return Split(frame_batch(self.images, spec), self.labels)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set for an image classifier.

    Attributes:
        name: as ``--data`` takes it.
        train: what the weights are fitted to.
        validation: what chooses between weights.
        test: looked at once, at the end.
        class_names: the name of every label.
        epochs: passes over ``train`` that are a sensible default.
        batch_size: images per step that are a sensible default.
        framing: how its images become frames, see ``ModelSpec.framing``.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    epochs: int
    batch_size: int
    framing: str = "mnist"

    def digest(self) -> str:
        """Give the SHA-256 of all images, labels and class names, in hexadecimal digits."""
        found = hashlib.sha256("\n".join(self.class_names).encode())
        for part in (self.train, self.validation, self.test):
            found.update(f"\n{part.images.shape}\n".encode())
            found.update(np.ascontiguousarray(part.images).data)
            found.update(np.ascontiguousarray(part.labels, "<i8").data)
        return found.hexdigest()


def hold_out(split: Split, count: int) -> tuple[Split, Split]:
    """Divide a split in (the rest, ``count`` rows), always the same ones and whatever the training seed is."""
    order = np.random.default_rng(0).permutation(len(split))
    return split.take(np.sort(order[count:])), split.take(np.sort(order[:count]))
