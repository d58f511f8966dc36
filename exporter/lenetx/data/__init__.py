"""The data sets: one file per source, and a line here."""

import importlib
from pathlib import Path

from ..errors import UnknownName
from .dataset import Dataset, Split

__all__ = ["DEFAULT", "SOURCES", "Dataset", "Split", "load", "names"]

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
    """Give the names that ``load`` takes."""
    return tuple(SOURCES)


def load(name: str, root: Path | None = None, *, download: bool = True) -> Dataset:
    """Read a data set.

    Args:
        name: one of :func:`names`.
        root: folder of files that torchvision lays out; else the environment's ``LENETX_DATA``, else a cache folder.
        download: fetch files that are missing from the cache folder.

    Raises:
        UnknownName: no such data set.
        DataError: its files are missing, damaged or cannot be fetched.
    """
    if name not in SOURCES:
        raise UnknownName("data set", name, SOURCES)
    dataset: Dataset = importlib.import_module(SOURCES[name]).load(name, root, download=download)
    return dataset
