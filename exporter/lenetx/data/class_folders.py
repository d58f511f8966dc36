"""A folder per class, or such folders in ``train``, ``val`` and ``test``."""

from pathlib import Path

from ..errors import DataError
from .rows import Rows

__all__ = ["PARTS", "read_folders"]

PARTS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
"""The part that a folder of that name holds."""
_NO_PICTURES = ("Thumbs.db", "desktop.ini")


def read_folders(folder: Path, *, follow_links: bool) -> tuple[dict[str, Rows], set[str]]:
    """Find the files of every class: (the rows by part, the names of all classes).

    There are parts where there is a folder ``train`` and none beside it that is no part; else all is ``train``. Each
    file of a class is a row, but for hidden ones and what Windows leaves behind; files beside the classes are not.

    Raises:
        DataError: missing, no folder, unreadable, or one without classes.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder '{folder}'.")
    found = {name.lower(): name for name in _folders(folder)}
    if "train" in found and found.keys() <= PARTS.keys():
        named = {
            part: [found[name] for name in found if PARTS[name] == part] for part in ("train", "validation", "test")
        }
        if len(named["validation"]) > 1:
            raise DataError(f"'{folder}' has {' and '.join(named['validation'])}: only one can be the validation part.")
        places = {part: f"{names[0]}/" for part, names in named.items() if names}
    else:
        places = {"train": ""}
    read = {part: _classes(folder, place, follow_links=follow_links) for part, place in places.items()}
    return {part: rows for part, (rows, _) in read.items()}, {name for _, names in read.values() for name in names}


def _classes(folder: Path, place: str, *, follow_links: bool) -> tuple[Rows, list[str]]:
    rows, classes = Rows(folder, follow_links), _folders(folder / place)
    if not classes:
        raise DataError(
            f"'{folder / place}' has no folder per class: put the pictures of each class in one of its name."
        )
    for name in classes:
        for file in sorted(_entries(folder / place / name)):
            if not file.startswith(".") and file not in _NO_PICTURES:
                path = f"{place}{name}/{file}"
                rows.add(path, path, name)
    return rows, classes


def _folders(folder: Path) -> list[str]:
    return sorted(name for name in _entries(folder) if not name.startswith(".") and (folder / name).is_dir())


def _entries(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError as error:
        raise DataError(f"The folder '{folder}' cannot be read: {error.strerror}.") from None
