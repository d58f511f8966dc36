"""List the images of a data set with one folder per class, possibly inside ``train``, ``val`` and ``test``."""

from pathlib import Path

from ..errors import DataError
from ..files import is_folder
from .labels import as_text, part_named
from .rows import Rows

__all__ = ["PICTURES", "read_folders"]

_LEFT_BEHIND = {
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
    *("__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found", "__pycache__"),
}
"""Names of files and folders that operating systems and archivers leave behind, in lower case."""
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif")
"""Suffixes of the image files that the runtime decodes."""


def read_folders(folder: Path, *, follow_links: bool) -> tuple[dict[str, Rows], set[str], list[str]]:
    """List the files of every class and return (rows by part, names of all classes, notices).

    A folder named ``train``, ``training`` or the like that holds folders is the training part; sibling folders named
    after other parts are those parts. Without one, the folder itself is ``train``, with one folder per class. Each
    file of a class is a row, except hidden files and those that operating systems leave behind; files beside the
    class folders are ignored.

    Raises:
        DataError: the folder is missing, not a folder or unreadable, or has no folder per class.
    """
    if not is_folder(folder):
        raise DataError(f"There is no folder '{folder}'.")
    places, notices = _parts(folder)
    read = {part: _classes(folder, place, follow_links=follow_links) for part, place in places.items()}
    classes = {name for _, names in read.values() for name in names}
    if odd := sorted(name for name in classes if as_text(name) != name):
        notices.append(
            f"The folder name '{as_text(odd[0])}' is not UTF-8, and so is its label: rename it for a readable one."
        )
    return {part: rows for part, (rows, _) in read.items()}, {as_text(name) for name in classes}, notices


def _parts(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Return the path of each part below the folder, and notices."""
    parts: dict[str, list[str]] = {}
    others = []
    for name in _folders(folder):
        part = part_named(name)
        if part and _folders(folder / name) and not _has_pictures(folder / name):
            parts.setdefault(part, []).append(name)
        else:
            others.append(name)
    if "train" not in parts:
        _require_classes(folder)
        return {"train": ""}, []
    for part, names in parts.items():
        if len(names) > 1:
            raise DataError(f"'{folder}' has the folders {' and '.join(names)}: only one can be the {part} part.")
        _require_classes(folder / names[0])
    for name in others:
        if part := part_named(name):  # a part without class folders
            parts.setdefault(part, []).append(name)
    ignored = ", ".join(name for name in others if not part_named(name))
    notices = (
        [f"'{folder.name}' has training and test folders, so its other entries are not read: {ignored}."]
        if ignored
        else []
    )
    return {part: f"{names[0]}/" for part, names in parts.items()}, notices


def _require_classes(folder: Path) -> None:
    """Raise DataError if its subfolders hold only folders and no images, so they cannot be classes."""
    names = _folders(folder)
    deeper = [name for name in names if _folders(folder / name)]
    if not deeper or any(_has_pictures(folder / name) for name in names):
        return
    if len(names) == 1:
        raise DataError(f"'{folder}' holds the folder '{names[0]}' only: name '{folder / names[0]}' instead.")
    raise DataError(
        f"'{folder}' has no folder per class: {' and '.join(deeper[:2])} hold folders, not pictures. "
        "Call parts train, validation and test."
    )


def _classes(folder: Path, place: str, *, follow_links: bool) -> tuple[Rows, list[str]]:
    rows, classes = Rows(folder, follow_links), _folders(folder / place)
    if not classes:
        tables = [name for name in _entries(folder / place) if name.lower().endswith(".csv")]
        cure = f", or name the file '{folder / place / tables[0]}'" if tables else ""
        raise DataError(
            f"'{folder / place}' has no folder per class: put the pictures of each class in a folder of its name{cure}."
        )
    for name in classes:
        for file in sorted(_entries(folder / place / name)):
            path = f"{place}{name}/{file}"
            if is_folder(folder / path):
                rows.unusable.append(f"{path}: it is a folder among pictures; move its files up into '{place}{name}'")
            else:
                rows.add(path, path, as_text(name))
    return rows, classes


def _has_pictures(folder: Path) -> bool:
    return any(Path(name).suffix.lower() in PICTURES for name in _entries(folder))


def _folders(folder: Path) -> list[str]:
    return sorted(name for name in _entries(folder) if is_folder(folder / name))


def _entries(folder: Path) -> list[str]:
    """Return the names in a folder, except hidden ones and those that operating systems leave behind."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError as error:
        raise DataError(f"The folder '{folder}' cannot be read: {error.strerror}.") from None
    return [name for name in names if not name.startswith(".") and name.lower() not in _LEFT_BEHIND]
