"""Read an ``.npz`` file of images and labels in one of the common layouts."""

import mmap
import os
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZipInfo

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime.files import open_file
from lenetx_runtime.limits import DEFAULT_LIMITS, size_in_words

from ..errors import ArtifactError, DataError, InputError
from .archive import require_bounded, require_few
from .dataset import Split
from .levels import exact_levels

__all__ = ["read_npz"]

_LAYOUTS = (
    {"train": ("images", "labels")},
    {"train": ("x_train", "y_train"), "validation": ("x_val", "y_val"), "test": ("x_test", "y_test")},
    {
        "train": ("train_images", "train_labels"),
        "validation": ("val_images", "val_labels"),
        "test": ("test_images", "test_labels"),
    },
)
_NAMES = "class_names"
_KEYS = {key for layout in _LAYOUTS for pair in layout.values() for key in pair} | {_NAMES}
_MOST_CLASSES = 1000
_LARGEST = DEFAULT_LIMITS.model_bytes
"""Limit in bytes for the file, and for its uncompressed contents."""


def read_npz(
    file: Path, class_names: tuple[str, ...] | None, classes: int | None
) -> tuple[dict[str, Split], tuple[str, ...], list[str]]:
    """Read the parts in a file and return (splits by part, class names, one sentence per conversion).

    The arrays are ``images`` and ``labels``, or ``x_train``, ``y_train``, ``x_val``, … (Keras), or ``train_images``,
    ``train_labels``, ``val_images``, … (MedMNIST), and optionally ``class_names``. Images are [N, H, W],
    [N, H, W, 1] or [N, H, W, 3] of uint8, or of another dtype if the values are exactly grey levels from 0 to 255 or
    such levels ÷ 255. Labels are integers, [N] or [N, 1].

    Args:
        file: the ``.npz`` file.
        class_names: the class names; they default to those in the file, then to the class indices.
        classes: the number of classes if neither names nor the file define it.

    Raises:
        DataError: the file is damaged or has another layout, or its arrays are not images or labels.
        InputError: the file does not exist.
    """
    arrays = _arrays(file)
    layouts = [layout for layout in _LAYOUTS if set(layout["train"]) <= arrays.keys()]
    known = {key for layout in layouts for pair in layout.values() for key in pair} | {_NAMES}
    if len(layouts) != 1 or arrays.keys() - known:
        keys = ", ".join(sorted(arrays)) or "nothing"
        raise DataError(
            f"'{file}' holds {keys}; it should hold images and labels, or x_train, y_train, x_test, y_test."
        )
    splits, notices = {}, []
    for part, (images, labels) in layouts[0].items():
        if (images in arrays) != (labels in arrays):
            raise DataError(f"'{file}' has only one of {images} and {labels}.")
        if images in arrays:
            levels, said = _levels(f"'{file}': {images}", arrays[images])
            splits[part] = Split(levels, _labels(f"'{file}': {labels}", arrays[labels], len(levels)))
            notices += said
    shapes = {part: split.images.shape[1:] for part, split in splits.items()}
    if len({len(shape) for shape in shapes.values()}) > 1:
        raise DataError(f"'{file}' has grey and RGB parts: {', '.join(f'{k} {v}' for k, v in shapes.items())}.")
    return splits, _class_names(file, splits, arrays.get(_NAMES), class_names, classes), notices


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    try:
        with _opened(file) as stream:
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                require_few(mapped)
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"'{file}' is a single array, not an .npz of images and labels.")
            members = archive.zip.infolist() if archive.zip else []
            _require_bounded(file, members)
            require_bounded(members, os.fstat(stream.fileno()).st_size)
            unknown = set(archive.files) - _KEYS  # only named in the error, never read
            return {key: np.empty(0) if unknown else archive[key] for key in archive.files}
    except (DataError, InputError):
        raise
    except ArtifactError as error:
        raise DataError(f"'{file}' cannot be read: {str(error)[0].lower()}{str(error)[1:]}") from None
    except Exception as error:  # numpy and zipfile trip over a damaged or encrypted archive in many ways
        if "allow_pickle" in str(error):
            reason = "it holds Python objects, or is not an .npz at all: save plain arrays"
        else:
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise DataError(f"'{file}' cannot be read: {reason}.") from None


def _opened(file: Path) -> BinaryIO:
    descriptor, size = open_file(file, "data set")
    stream = os.fdopen(descriptor, "rb")
    if size > _LARGEST:
        stream.close()
        raise InputError(f"The data set '{file}' is larger than {size_in_words(_LARGEST)}, the most that is read.")
    return stream


def _require_bounded(file: Path, members: list[ZipInfo]) -> None:
    """Raise DataError if the arrays exceed the size limit uncompressed, or if two have the same name."""
    if (size := sum(member.file_size for member in members)) > _LARGEST:
        most = size_in_words(_LARGEST)
        raise DataError(f"'{file}' unpacks to {size:,} bytes, but at most {most} are read: save fewer images in it.")
    if len({member.filename for member in members}) < len(members):
        raise DataError(f"'{file}' has two arrays of one name: save it anew.")


def _levels(place: str, array: NDArray[Any]) -> tuple[NDArray[np.uint8], list[str]]:
    """Return uint8[N, H, W] or uint8[N, H, W, 3], and a sentence if the array was converted."""
    got = f"{array.dtype}[{', '.join(map(str, array.shape))}]"
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if not (array.ndim == 3 or (array.ndim == 4 and array.shape[3] == 3)) or 0 in array.shape:
        raise DataError(f"{place} is {got}; images are N×H×W, N×H×W×1 or N×H×W×3.")
    if array.dtype == np.uint8:
        return array, []
    if array.dtype.kind in "iuf":
        levels, divided = exact_levels(f"{place} is {got}", array)
        return levels, [f"{place} is {got}: taken as levels of 0 to 255{divided}, exactly."]
    raise DataError(f"{place} is {got}; images are uint8, 0 to 255.")


def _labels(place: str, array: NDArray[Any], count: int) -> NDArray[np.int64]:
    got = f"{array.dtype}[{', '.join(map(str, array.shape))}]"
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(f"{place} is {got}; labels are whole numbers, one per image.")
    if len(array) != count:
        raise DataError(f"{place} has {len(array):,} labels for {count:,} images.")
    if array.min() < 0 or array.max() >= _MOST_CLASSES:
        row = int(np.argmax((array < 0) | (array >= _MOST_CLASSES)))
        raise DataError(f"{place} has the label {array[row]} in row {row}; they run from 0 to {_MOST_CLASSES - 1}.")
    return array.astype(np.int64)


def _class_names(
    file: Path,
    splits: dict[str, Split],
    written: NDArray[Any] | None,
    wanted: tuple[str, ...] | None,
    classes: int | None,
) -> tuple[str, ...]:
    largest = max(int(split.labels.max()) for split in splits.values())
    names = tuple(map(str, range(classes or largest + 1)))
    if written is not None:
        if written.dtype.kind != "U" or written.ndim != 1:
            raise DataError(f"'{file}': {_NAMES} is {written.dtype}{list(written.shape)}, not a list of strings.")
        names = tuple(written.tolist())
        if len(set(names)) < len(names) or "" in names:
            raise DataError(f"'{file}': {_NAMES} has a name that is empty or there twice.")
    if wanted is not None and (written is None or names == wanted):
        names = wanted
    if largest >= len(names):
        raise DataError(f"'{file}' has a label {largest}, but there are {len(names)} classes, from 0.")
    return names
