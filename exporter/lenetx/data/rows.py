"""Collect rows of (file, class name) from a list or folder and check them before any image is opened."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lenetx_runtime.files import require_file

from ..errors import InputError

__all__ = ["LISTED", "Rows", "listed"]

LISTED = 20
"""Maximum number of unusable rows that a message names."""


@dataclass(slots=True)
class Rows:
    """Collect the usable rows of one part, and the reasons why others are unusable.

    Attributes:
        folder: the folder that the paths are relative to.
        follow_links: also accept files outside the folder.
        files, classes, places: one entry per usable row: its image file, its label and its position in the source.
        unusable: one entry per unusable row: its position and the problem.
    """

    folder: Path
    follow_links: bool
    files: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    _seen: dict[str, str] = field(default_factory=dict)
    _root: str = ""

    def __post_init__(self) -> None:
        self._root = os.path.realpath(self.folder)

    def add(self, place: str, file: str, class_name: str) -> None:
        """Add one row, or record its problem; ``place`` is its position in the source, for messages."""
        try:
            problem = self._problem(place, file)
        except (InputError, ValueError) as error:  # a name with a null character
            problem = str(error).rstrip(".")
        if not class_name:
            problem = problem or f"'{file}' has no label"
        if problem:
            self.unusable.append(f"{place}: {problem}")
            return
        self.files.append(file)
        self.classes.append(class_name)
        self.places.append(place)

    def _problem(self, place: str, file: str) -> str | None:
        if not file:
            return "there is no path"
        target = os.path.realpath(self.folder / file)
        if not self.follow_links and os.path.commonpath([self._root, target]) != self._root:
            return f"'{file}' leads out of the folder, which only --follow-links allows"
        require_file(Path(target), "image")
        first = self._seen.setdefault(target, place)
        return None if first == place else f"'{file}' is there already, as {first}"


def listed(name: str, unusable: Iterable[str], consequence: str) -> str:
    """Return a sentence that names the unusable rows of a set, at most 20 of them, and the consequence."""
    problems = list(unusable)
    more = f"; and {len(problems) - LISTED} more" if len(problems) > LISTED else ""
    count = "1 row" if len(problems) == 1 else f"{len(problems):,} rows"
    return f"{count} of '{name}' cannot be used{consequence}: {'; '.join(problems[:LISTED])}{more}."
