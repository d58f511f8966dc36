"""Load the 1,797 handwritten 8×8 digits that scikit-learn bundles: real images without a download.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository (its
test part, which ``sklearn.datasets.load_digits`` returns).
"""

from pathlib import Path

import numpy as np

from ..errors import InputError
from .dataset import Dataset, Split, hold_out

__all__ = ["load"]

_STRONGEST = 16
_TEST, _VALIDATION = 360, 180


def load(name: str, root: Path | None = None, *, download: bool = True) -> Dataset:  # noqa: ARG001  # nothing to fetch
    """Load the digits: 1,257 for training, 180 for validation, 360 for testing; grey levels 0 to 255.

    Raises:
        InputError: ``root`` was given.
    """
    if root is not None:
        raise InputError(f"The digits come with scikit-learn: no folder applies to them; got '{root}'.")
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / _STRONGEST)).astype(np.uint8)
    rest, test = hold_out(Split(images, bunch.target.astype(np.int64)), _TEST)
    train, validation = hold_out(rest, _VALIDATION)
    return Dataset(name, train, validation, test, tuple(map(str, range(10))), epochs=20, batch_size=32)
