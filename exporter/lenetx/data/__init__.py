"""Register the data sets: one file per source, one line here; a path loads a user-supplied set."""

import importlib
from pathlib import Path

from ..errors import InputError, UnknownName
from .custom import is_path
from .custom import load as load_custom
from .dataset import Dataset, Part, Split
from .file_split import FileSplit
from .options import DataOptions

__all__ = [
    "DEFAULT",
    "SOURCES",
    "DataOptions",
    "Dataset",
    "FileSplit",
    "Part",
    "Split",
    "load",
    "names",
    "require_known",
]

SOURCES = {
    "digits": "lenetx.data.digits",
    "mnist": "lenetx.data.torchvision_sets",
    "fashion-mnist": "lenetx.data.torchvision_sets",
    "kmnist": "lenetx.data.torchvision_sets",
    "qmnist": "lenetx.data.torchvision_sets",
    "emnist-digits": "lenetx.data.torchvision_sets",
}
DEFAULT = "digits"


def names() -> tuple[str, ...]:
    """Return the names that ``load`` takes."""
    return tuple(SOURCES)


def require_known(name: str) -> None:
    """Raise UnknownName unless the name is one of ``names`` or looks like a path; open nothing."""
    if name not in SOURCES and not is_path(name):
        raise UnknownName("data set", name, SOURCES)


def load(
    name: str,
    root: Path | None = None,
    *,
    download: bool = True,
    options: DataOptions | None = None,
    class_names: tuple[str, ...] | None = None,
    classes: int | None = None,
) -> Dataset:
    """Load a data set.

    Args:
        name: one of ``names``, or the path of a ``.csv``, a ``.npz`` or a folder; see ``lenetx.data.custom``.
        root: folder that holds the set's original files; defaults to the environment variable ``LENETX_DATA``, then
            to a cache folder.
        download: fetch files that are missing from the cache folder.
        options: for a custom set, where its images are and how to treat bad ones.
        class_names: class names of a custom set; by default they are derived from its labels.
        classes: the expected number of classes.

    Raises:
        UnknownName: the data set does not exist.
        DataError: its files are missing, damaged or cannot be fetched, or it has another number of classes.
        InputError: an argument does not apply to that data set.
    """
    require_known(name)
    if name not in SOURCES:
        if root is not None:
            raise InputError(f"The folder '{root}' does not apply to '{name}', which is a path itself.")
        return load_custom(name, options or DataOptions(), class_names=class_names, classes=classes)
    if options and options.images is not None:
        raise InputError(f"The folder of images '{options.images}' does not apply to {name}: it is for a CSV file.")
    dataset: Dataset = importlib.import_module(SOURCES[name]).load(name, root, download=download)
    if classes is not None and classes != len(dataset.class_names):
        raise InputError(f"{name} has {len(dataset.class_names)} classes, but {classes} were requested.")
    return dataset
