"""Choose the images from which the ranges of int8 activations are taken, and record which they are."""

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lenetx_runtime.preprocess import normalise

from ..data import Dataset
from ..errors import DataError, InputError, UnknownName
from .reduce import METHODS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lenetx_runtime import ModelSpec

__all__ = ["DEFAULT_IMAGES", "DEFAULT_METHOD", "Calibration", "Sample", "sample"]

DEFAULT_METHOD = "minmax"
DEFAULT_IMAGES, _FEWEST = 1000, 100
_TEXT = re.compile(r"(\w+) of (\d{1,9}) training images of (.+), seed (\d{1,9}), sha256 ([0-9a-f]{64})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the ranges of activations were found.

    Attributes:
        method: ``minmax``, ``entropy`` or ``percentile``: a calibration method of onnxruntime.
        images: how many training images, the same number of each class where there are enough.
        data: the name of their data set.
        seed: of their choice.
        sha256: digest of the frames, as uint8[N, h, w] or uint8[N, h, w, 3].
    """

    method: str
    images: int
    data: str
    seed: int
    sha256: str

    def to_text(self) -> str:
        """Return the text that an artifact's spec records."""
        return f"{self.method} of {self.images} training images of {self.data}, seed {self.seed}, sha256 {self.sha256}"

    @classmethod
    def from_text(cls, text: str | None) -> "Calibration | None":
        """Read the text of ``to_text``; return ``None`` for any other."""
        found = _TEXT.fullmatch(text or "")
        if found is None or found[1] not in METHODS:
            return None
        return cls(found[1], int(found[2]), found[3], int(found[4]), found[5])


@dataclass(frozen=True, slots=True)
class Sample:
    """Inputs for a calibration.

    Attributes:
        calibration: which they are.
        inputs: float32[N, C, H, W].
    """

    calibration: Calibration
    inputs: "NDArray[np.float32]"


def sample(
    dataset: Dataset, spec: "ModelSpec", *, method: str = DEFAULT_METHOD, images: int = DEFAULT_IMAGES, seed: int = 0
) -> Sample:
    """Choose training images for a calibration: stratified by class, and the same for the same arguments.

    Args:
        dataset: whose training split is used.
        spec: by which images become inputs.
        method: ``minmax``, ``entropy`` or ``percentile``.
        images: how many; all training images if there are fewer.
        seed: of the choice.

    Raises:
        UnknownName: there is no such method.
        InputError: fewer than 100 images are asked for.
        DataError: there are fewer than 100 training images, a class has none, or one cannot be read.
    """
    if method not in METHODS:
        raise UnknownName("calibration", method, METHODS)
    if images < _FEWEST:
        raise InputError(f"The number of calibration images is {images}; it must be at least {_FEWEST}.")
    labels = dataset.train.labels
    if len(labels) < _FEWEST:
        raise DataError(
            f"'{dataset.name}' has {len(labels)} training images; a calibration needs at least {_FEWEST}: name a "
            "larger data set with --data."
        )
    present = np.unique(labels)
    absent = [name for index, name in enumerate(spec.labels) if index not in present]
    if absent:
        raise DataError(
            f"'{dataset.name}' has no training image of {', '.join(absent[:5])}: a calibration needs each class."
        )
    rows = _stratified(labels, min(images, len(labels)), np.random.default_rng(seed))
    frames = dataset.train.take(rows).framed(spec).images
    sha256 = hashlib.sha256(np.ascontiguousarray(frames).data).hexdigest()
    return Sample(Calibration(method, len(rows), dataset.name, seed, sha256), normalise(frames, spec))


def _stratified(labels: "NDArray[np.int64]", count: int, random: np.random.Generator) -> "NDArray[np.int64]":
    """Return the rows of ``count`` images: one of each class in turn, until a class has no more."""
    order = random.permutation(len(labels))
    turn = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        own = order[labels[order] == label]
        turn[own] = np.arange(len(own))
    chosen = order[np.argsort(turn[order], kind="stable")[:count]]
    rows: NDArray[np.int64] = np.sort(chosen)
    return rows
