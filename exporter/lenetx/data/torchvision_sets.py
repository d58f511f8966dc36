"""MNIST and its relatives through torchvision, which checks the digests of what it downloads.

Sources:
    mnist: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
    fashion-mnist: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST", 2017.
    kmnist: T. Clanuwat et al., "Deep Learning for Classical Japanese Literature", 2018.
    qmnist: C. Yadav, L. Bottou, "Cold Case: The Lost MNIST Digits", 2019; its test part has 60,000 images.
    emnist-digits: G. Cohen et al., "EMNIST: an extension of MNIST to handwritten letters", 2017.
"""

import os
import urllib.error
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, DataMissing
from ..torchvision_loader import import_torchvision
from .dataset import Dataset, Split, hold_out

__all__ = ["SETS", "Source", "load"]

_DIGITS = tuple("0123456789")
_REMEDY = "Put the original files there, or delete it and name no folder to have it downloaded."


@dataclass(frozen=True, slots=True)
class Source:
    """One of torchvision's data sets of 28×28 grey images.

    Attributes:
        kind: name of its class, and of its folder.
        class_names: the name of every label.
        train, test: how many images there are.
        validation: how many of the training ones are held out.
        framing: see ``ModelSpec.framing``; what is no digit is taken as it is.
        part: what torchvision calls a ``split``, where there are several.
        is_transposed: the files have rows and columns exchanged.
    """

    kind: str
    class_names: tuple[str, ...] = _DIGITS
    train: int = 60_000
    test: int = 10_000
    validation: int = 5_000
    framing: str = "mnist"
    part: str | None = None
    is_transposed: bool = False


_CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
SETS = {
    "mnist": Source("MNIST"),
    "fashion-mnist": Source("FashionMNIST", _CLOTHES, framing="stretch"),
    "kmnist": Source("KMNIST", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"), framing="stretch"),
    "qmnist": Source("QMNIST", test=60_000),
    "emnist-digits": Source("EMNIST", train=240_000, test=40_000, part="digits", is_transposed=True),
}


def load(name: str, root: Path | None = None, *, download: bool = True) -> Dataset:
    """Read one of :data:`SETS`.

    A folder that was named (``root`` or ``LENETX_DATA``) is only read; the cache folder is filled by a download.

    Raises:
        DataMissing: no folder was named, the cache folder has no file of it and nothing may be downloaded.
        DataError: the files are missing, damaged or cannot be fetched.
    """
    source = SETS[name]
    named = root or (Path(os.environ["LENETX_DATA"]) if os.environ.get("LENETX_DATA") else None)
    folder = named or _cache_folder()
    fetch = download and named is None
    if named is None and not fetch and not any((folder / source.kind / "raw").glob("*-idx*")):
        raise DataMissing(f"{source.kind} is not on this machine: name its folder with --data-root or LENETX_DATA.")
    rest, test = (_part(source, folder, train=train, fetch=fetch) for train in (True, False))
    train, validation = hold_out(rest, source.validation)
    return Dataset(name, train, validation, test, source.class_names, epochs=6, batch_size=128, framing=source.framing)


def _cache_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("lenetx"))


def _part(source: Source, folder: Path, *, train: bool, fetch: bool) -> Split:
    opened = _open(source, folder, train=train, fetch=fetch)
    images, labels = opened.data.numpy(), opened.targets.numpy()
    if labels.ndim > 1:  # QMNIST's first column is the digit, the others tell who wrote it
        labels = labels[:, 0]
    if images.shape != (source.train if train else source.test, 28, 28) or len(labels) != len(images):
        raise DataError(f"{source.kind} in '{folder}' is not complete: images {images.shape}, {len(labels)} labels.")
    wrong = labels[(labels < 0) | (labels >= len(source.class_names))]
    if len(wrong):
        raise DataError(f"{source.kind} in '{folder}' is damaged: it has a label {wrong[0]}. {_REMEDY}")
    if source.is_transposed:
        images = np.ascontiguousarray(images.swapaxes(1, 2))
    return Split(images, labels.astype(np.int64))


def _open(source: Source, folder: Path, *, train: bool, fetch: bool) -> Any:
    kind = getattr(import_torchvision().datasets, source.kind)
    options = {} if source.part is None else {"split": source.part}
    try:
        return kind(folder, train=train, download=fetch, **options)
    except urllib.error.URLError as error:
        raise _problem(source, folder, f"Error downloading: {error}") from None
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise DataError(f"{source.kind} in '{folder}' cannot be read or written: {reason}.") from None
    except Exception as error:  # torchvision trips over damaged files in many ways
        raise _problem(source, folder, " ".join(str(error).split())) from None


def _problem(source: Source, folder: Path, reason: str) -> DataError:
    """Tell by torchvision's words whether the files are missing, cannot be fetched or are damaged."""
    if reason.startswith(("Error downloading", "File not found or corrupted")):
        reason = reason.rstrip(".")
        remedy = "Where its files are already, name the folder with --data-root."
        return DataError(f"{source.kind} could not be downloaded: {reason}. {remedy}")
    if reason.startswith("Dataset not found"):
        return DataError(
            f"{source.kind} is not in '{folder}': name its folder with --data-root or LENETX_DATA, "
            "or leave both away to download it."
        )
    return DataError(f"{source.kind} in '{folder}' cannot be read: {reason or 'it is no IDX file'}. {_REMEDY}")
