"""Load MNIST and related sets; torchvision downloads them and checks the digests.

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

import numpy as np

from lenetx_runtime import LenetxError

from ..errors import DataError, DataMissing
from ..files import exists
from ..torchvision_loader import import_torchvision
from .dataset import Dataset, Split, hold_out
from .idx_files import REMEDY, find, read

__all__ = ["SETS", "Source", "load"]

_DIGITS = tuple("0123456789")


@dataclass(frozen=True, slots=True)
class Source:
    """One of torchvision's data sets of 28×28 grey images.

    Attributes:
        kind: name of torchvision's class, and of its folder.
        class_names: the name of each label.
        train, test: number of images in each part.
        validation: number of training images to hold out.
        framing: see ``ModelSpec.framing``; only digits are centred.
        files: names of the training images, training labels, test images and test labels.
        part: the ``split`` argument of torchvision's class, if it has one.
        is_transposed: rows and columns are swapped in the files.
    """

    kind: str
    class_names: tuple[str, ...] = _DIGITS
    train: int = 60_000
    test: int = 10_000
    validation: int = 5_000
    framing: str = "mnist"
    files: tuple[str, str, str, str] = (
        *("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        *("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    )
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
    "qmnist": Source(
        "QMNIST",
        test=60_000,
        files=(
            *("qmnist-train-images-idx3-ubyte", "qmnist-train-labels-idx2-int"),
            *("qmnist-test-images-idx3-ubyte", "qmnist-test-labels-idx2-int"),
        ),
    ),
    "emnist-digits": Source(
        "EMNIST",
        train=240_000,
        test=40_000,
        files=(
            *("emnist-digits-train-images-idx3-ubyte", "emnist-digits-train-labels-idx1-ubyte"),
            *("emnist-digits-test-images-idx3-ubyte", "emnist-digits-test-labels-idx1-ubyte"),
        ),
        part="digits",
        is_transposed=True,
    ),
}


def load(name: str, root: Path | None = None, *, download: bool = True) -> Dataset:
    """Load one of ``SETS``.

    A user-supplied folder (``root`` or ``LENETX_DATA``) is only read and may have any layout that ``idx_files`` finds;
    downloads go to the cache folder.

    Raises:
        DataMissing: no folder was named, and there is no cache folder, or it has no file of the set and ``download`` is
            ``False``.
        DataError: the files are missing, damaged or cannot be fetched.
    """
    source = SETS[name]
    named = root or (Path(os.environ["LENETX_DATA"]) if os.environ.get("LENETX_DATA") else None)
    files = _files_in(source, named) if named is not None else _cached(source, download=download)
    rest = _part(source, files[:2], source.train)
    test = _part(source, files[2:], source.test)
    train, validation = hold_out(rest, source.validation)
    return Dataset(name, train, validation, test, source.class_names, epochs=6, batch_size=128, framing=source.framing)


def _files_in(source: Source, folder: Path) -> list[Path]:
    others = {each.kind for each in SETS.values() if each.files == source.files} - {source.kind}
    try:
        found = [find(folder, source.kind, others, name) for name in source.files]
    except OSError as error:
        raise DataError(f"{source.kind} in '{folder}' cannot be read: {error.strerror}.") from None
    missing = [name for name, path in zip(source.files, found, strict=True) if path is None]
    if missing:
        lacking = f"it has no {' and no '.join(missing)}, plain or .gz" if folder.is_dir() else "that is no folder"
        raise DataError(
            f"{source.kind} is not in '{folder}': {lacking}. Name its folder with --data-root or "
            "LENETX_DATA, or omit both to download it."
        )
    return [path for path in found if path is not None]


def _cached(source: Source, *, download: bool) -> list[Path]:
    """Return the files that torchvision unpacked in the cache folder; download missing ones."""
    folder = _cache_folder()
    if folder is None:
        raise DataMissing(
            f"{source.kind} is not on this machine, and without a home folder there is no place to download it to: "
            "name its folder with --data-root or LENETX_DATA, or set XDG_CACHE_HOME."
        )
    files = [folder / source.kind / "raw" / name for name in source.files]
    missing = [path.name for path in files if not exists(path)]
    if len(missing) == len(files) and not download:
        raise DataMissing(f"{source.kind} is not on this machine: name its folder with --data-root or LENETX_DATA.")
    if missing and not download:
        raise DataError(f"{source.kind} is not in '{folder}': it has no {' and no '.join(missing)}.")
    if missing:
        _fetch(source, folder)
    return files


def _cache_folder() -> Path | None:
    import platformdirs

    try:
        return Path(platformdirs.user_cache_dir("lenetx"))
    except RuntimeError:  # neither HOME nor an entry for this user
        return None


def _fetch(source: Source, folder: Path) -> None:
    options = {} if source.part is None else {"split": source.part}
    try:
        kind = getattr(import_torchvision().datasets, source.kind)
        for train in (True, False):
            kind(folder, train=train, download=True, **options)
    except urllib.error.URLError as error:
        raise _problem(source, f"Error downloading: {error}") from None
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise DataError(
            f"{source.kind} cannot be downloaded to '{folder}': {reason}. Set XDG_CACHE_HOME to a folder that can be "
            "written, or name the folder of its files with --data-root or LENETX_DATA."
        ) from None
    except LenetxError:
        raise
    except Exception as error:  # torchvision trips over damaged files in many ways
        raise _problem(source, " ".join(str(error).split())) from None


def _problem(source: Source, reason: str) -> DataError:
    remedy = "Where its files are already, name the folder with --data-root."
    return DataError(f"{source.kind} could not be downloaded: {reason.rstrip('.')}. {remedy}")


def _part(source: Source, files: list[Path], count: int) -> Split:
    images = read(files[0], (count, 28, 28))
    if images.dtype != np.uint8:
        raise DataError(f"'{files[0]}' cannot be read: its values are {images.dtype}, not bytes.")
    labels = read(files[1], (count, -1) if "idx2" in files[1].name else (count,))
    if labels.ndim > 1:  # QMNIST's first column is the digit; the others describe the writer
        labels = labels[:, 0]
    wrong = labels[(labels < 0) | (labels >= len(source.class_names))]
    if len(wrong):
        raise DataError(f"'{files[1]}' is damaged: it has a label {wrong[0]}. {REMEDY}")
    if source.is_transposed:
        images = images.swapaxes(1, 2)
    return Split(np.ascontiguousarray(images), labels.astype(np.int64))
