"""Load a custom data set: a CSV file, a folder per class, or an ``.npz`` file."""

import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import DataError, InputError
from ..files import exists, is_folder
from .class_folders import read_folders
from .csv_file import read_csv
from .dataset import Dataset, Part
from .file_split import FileSplit
from .held_out import FEWEST, SHARE, hold_out_by_class
from .labels import are_numbers, as_text, class_numbers, in_order
from .npz_file import read_npz
from .options import DataOptions
from .pixel_csv import holds_pixels, read_pixels
from .rows import Rows, listed
from .table import SUFFIXES as TABLES
from .table import tables

__all__ = ["is_path", "load"]

_SUFFIXES = (*TABLES, ".npz")
_SMALL = 20_000
"""Number of training images from which the training defaults are those of MNIST; below it, those of ``digits``."""


def is_path(name: str) -> bool:
    """Return whether an unregistered name is a path: it has a separator or a known suffix, or is an existing folder."""
    separators = {os.sep, os.altsep} - {None}
    return (
        bool(separators & set(name)) or Path(name).suffix.lower() in _SUFFIXES or (name != "" and is_folder(Path(name)))
    )


def _recorded_name(path: str) -> str:
    """Return the base name that a checkpoint records, with a trailing ``/`` for a folder; never the full path."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100  # resolve() would follow a link to another name
    name = as_text(absolute.name)
    return f"{name}/" if is_folder(absolute) else name


def load(
    path: str, options: DataOptions, *, class_names: tuple[str, ...] | None = None, classes: int | None = None
) -> Dataset:
    """Load a custom data set. Image files are only listed here and opened on demand.

    Args:
        path: a ``.csv`` (``.tsv``, ``.txt``), an ``.npz`` or a folder.
        options: where its images are and how to treat bad ones.
        class_names: the class names; by default they are derived from the labels.
        classes: the expected number of classes.

    Raises:
        DataError: the set cannot be read, has fewer than two classes, too few images, or not the expected classes.
        InputError: an option does not apply to this kind of set.
    """
    place, name = Path(path), _recorded_name(path)
    suffix = "" if is_folder(place) else place.suffix.lower()
    if options.images is not None and suffix not in TABLES:
        raise InputError(f"The folder of images '{options.images}' does not apply to '{path}': it is for a CSV file.")
    parts: Mapping[str, Part]
    notices: list[str] = []
    unusable: list[str] = []
    if suffix == ".npz":
        parts, found, notices = read_npz(place, class_names, classes)
    elif suffix in TABLES:
        parts, found, unusable, notices = _from_table(place, options, class_names, classes)
    elif exists(place) and not is_folder(place):
        raise DataError(f"'{path}' is not a data set; give a .csv, a .npz or a folder.")
    elif suffix and not exists(place):
        raise DataError(f"There is no '{path}'; a data set of your own is a .csv, a .npz or a folder.")
    else:
        read, folders, notices = read_folders(place, follow_links=options.follow_links)
        parts, found, unusable = _labelled(read, class_names or in_order(folders))
    try:
        _require_classes(name, found, classes)
        return _assembled(name, parts, found, unusable, notices)
    except DataError:
        if unusable and not options.skip_bad:  # the skipped rows may be the cause
            raise DataError(listed(name, unusable, "; mend them or skip them with --skip-bad")) from None
        raise


def _from_table(
    file: Path, options: DataOptions, class_names: tuple[str, ...] | None, classes: int | None
) -> tuple[Mapping[str, Part], tuple[str, ...], list[str], list[str]]:
    """Return (the parts, the class names, why each unusable row was left out, notices)."""
    candidates = tables(file)
    numbers = tuple(map(str, range(classes))) if classes else None
    if table := next(filter(holds_pixels, candidates), None):
        split, found, notices = read_pixels(table, class_names, numbers)
        return {"train": split}, found, [], notices
    listing = [table for table in candidates if table.delimiter != " "] or candidates  # a path may have spaces
    read, notices = read_csv(listing, options.images or file.parent, follow_links=options.follow_links)
    numbered = all(are_numbers(rows.classes) for rows in read.values())
    parts, found, unusable = _labelled(read, class_names or (numbers if numbered else None))
    return parts, found, unusable, notices


def _labelled(
    read: Mapping[str, Rows], names: tuple[str, ...] | None
) -> tuple[dict[str, FileSplit], tuple[str, ...], list[str]]:
    """Return (the parts, the class names, why each unusable row was left out)."""
    if names is None:
        names, _ = class_numbers([label for rows in read.values() for label in rows.classes], None)
    parts, unusable = {}, []
    for part, rows in read.items():
        _, numbers = class_numbers(rows.classes, names)
        unknown = [row for row, number in enumerate(numbers.tolist()) if number < 0]
        unusable += rows.unusable
        unusable += [f"{rows.places[row]}: there is no class '{rows.classes[row]}'" for row in unknown]
        parts[part] = FileSplit(rows.folder, tuple(rows.files), numbers).take((numbers >= 0).nonzero()[0])
    return parts, names, unusable


def _require_classes(name: str, found: tuple[str, ...], wanted: int | None) -> None:
    if len(found) < 2:
        there = f"one class only, '{found[0]}'" if found else "no images"
        raise DataError(f"'{name}' has {there}: a classifier needs two classes or more.")
    if wanted is not None and wanted != len(found):
        raise DataError(f"'{name}' has {len(found)} classes ({', '.join(found[:20])}), but {wanted} were requested.")


def _assembled(
    name: str, parts: Mapping[str, Part], class_names: tuple[str, ...], unusable: list[str], notices: list[str]
) -> Dataset:
    """Build the data set: hold out missing parts and choose the training defaults."""
    train = parts["train"]
    missing = [part for part in ("validation", "test") if part not in parts]
    left, held = hold_out_by_class(train.labels, [train.name(row) for row in range(len(train))], len(missing))
    whole: dict[str, Part] = {**parts, "train": train.take(left)}
    whole |= {part: train.take(rows) for part, rows in zip(missing, held, strict=True)}
    if empty := [part for part, images in whole.items() if not len(images)]:
        raise DataError(
            f"'{name}' has too few images: none is left for {' and '.join(empty)}. Give each class "
            f"{FEWEST} images or more, or divide them into folders train, val and test."
        )
    if missing:
        counts = " and ".join(f"{len(whole[part]):,} for {part}" for part in missing)
        notices = [
            *notices,
            f"'{name}' has no part for {' and '.join(missing)}: {counts} are held out, {SHARE:.0%} of each class.",
        ]
    small = len(whole["train"]) < _SMALL
    return Dataset(
        name,
        whole["train"],
        whole["validation"],
        whole["test"],
        class_names,
        epochs=20 if small else 6,
        batch_size=min(32 if small else 128, len(whole["train"])),
        framing="stretch",
        unusable=tuple(unusable),
        notices=tuple(notices),
    )
