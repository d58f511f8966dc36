"""MNIST through torchvision, which checks the digests of what it downloads.

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, DataMissing
from ..torchvision_loader import import_torchvision
from .dataset import Dataset, Split, hold_out

__all__ = ["load"]

_VALIDATION = 5000
_LARGEST_LABEL = 9
_REMEDY = "Put the original files there, or delete it and name no folder to have it downloaded."


def load(root: Path | None = None, *, download: bool = True) -> Dataset:
    """Read MNIST: 55,000 images of 28×28 for training, 5,000 for validation, the 10,000 of the test.

    A folder that was named (``root`` or ``LENETX_DATA``) is only read; the cache folder is filled by a download.

    Raises:
        DataMissing: no folder was named, the cache folder has no file of it and nothing may be downloaded.
        DataError: the files are missing, damaged or cannot be fetched.
    """
    named = root or (Path(os.environ["LENETX_DATA"]) if os.environ.get("LENETX_DATA") else None)
    folder = named or _cache_folder()
    fetch = download and named is None
    if named is None and not fetch and not any((folder / "MNIST").rglob("*ubyte*")):
        raise DataMissing("MNIST is not on this machine: name its folder with --data-root or LENETX_DATA.")
    rest, test = _part(folder, train=True, fetch=fetch), _part(folder, train=False, fetch=fetch)
    train, validation = hold_out(rest, _VALIDATION)
    return Dataset("mnist", train, validation, test, tuple(map(str, range(10))), epochs=5, batch_size=128)


def _cache_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("lenetx"))


def _part(folder: Path, *, train: bool, fetch: bool) -> Split:
    source = _open(folder, train=train, fetch=fetch)
    images, labels = source.data.numpy(), source.targets.numpy()
    if images.shape != (60_000 if train else 10_000, 28, 28) or len(labels) != len(images):
        raise DataError(f"MNIST in '{folder}' is not complete: images {images.shape}, {len(labels)} labels.")
    if labels.max() > _LARGEST_LABEL:
        raise DataError(f"MNIST in '{folder}' is damaged: it has a label {labels.max()}. {_REMEDY}")
    return Split(images, labels.astype(np.int64))


def _open(folder: Path, *, train: bool, fetch: bool) -> Any:
    import_torchvision()
    from torchvision.datasets import MNIST

    try:
        return MNIST(folder, train=train, download=fetch)
    except OSError as error:
        raise DataError(f"MNIST in '{folder}' cannot be read or written: {error.strerror or error}.") from None
    except Exception as error:  # torchvision trips over damaged files in many ways
        raise _problem(folder, " ".join(str(error).split())) from None


def _problem(folder: Path, reason: str) -> DataError:
    """Tell by torchvision's words whether the files are missing, cannot be fetched or are damaged."""
    if reason.startswith("Error downloading"):
        remedy = "Where its files are already, name the folder with --data-root."
        return DataError(f"MNIST could not be downloaded: {reason}. {remedy}")
    if reason.startswith("Dataset not found"):
        return DataError(
            f"MNIST is not in '{folder}': name its folder with --data-root or LENETX_DATA, "
            "or leave both away to download it."
        )
    return DataError(f"MNIST in '{folder}' cannot be read: {reason or 'it is no IDX file'}. {_REMEDY}")
