"""Class names from a command line or a file: lines, JSON, and what Windows makes of them."""

import codecs
import json
import re
from pathlib import Path
from typing import Any

from lenetx_runtime.files import read_bytes

from .errors import InputError
from .files import exists

__all__ = ["read_labels"]

_LARGEST = 2**20
_ENDINGS = (".txt", ".json", ".csv", ".tsv", ".names", ".labels", ".lst")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_TABLES = ("id2label", "idx_to_class", "class_names", "classes", "labels", "names", "label2id", "class_to_idx")
"""Keys under which programs keep the class names in a JSON object with more than them."""


def read_labels(text: str) -> tuple[str, ...]:
    """Return class names in the order of the logits.

    Args:
        text: names with commas between them, or the name of a file: a name in each line, each line with its number
            before it, or JSON with a list of names, names by number, or numbers by name.

    Raises:
        InputError: the file is missing, or it is no such list.
    """
    path = Path(text)
    if exists(path) and not path.is_dir():
        return _of_content(path, _decoded(path))
    names = tuple(part.strip() for part in text.split(","))
    if len(names) < 2 and (path.suffix.lower() in _ENDINGS or len(path.parts) > 1):
        raise InputError(f"There is no file of labels '{text}'.")
    return names


def _decoded(path: Path) -> str:
    content = read_bytes(path, "list of labels", limit=_LARGEST)
    try:
        return content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"The labels in '{path}' are not UTF-8: save the file in that encoding.") from None


def _of_content(path: Path, content: str) -> tuple[str, ...]:
    if content.lstrip()[:1] in ("[", "{"):
        return _of_json(path, content)
    lines = [line.strip() for line in content.splitlines() if line.strip()]
    if len(lines) == 1:
        return tuple(part.strip() for part in lines[0].split(","))
    numbered = [re.fullmatch(r"(\d{1,9})[\s,;:=]+(\S.*)", line) for line in lines]
    found = [(int(each[1]), each[2]) for each in numbered if each is not None]
    if [number for number, _ in found] == list(range(len(lines))):
        return tuple(name for _, name in found)
    return tuple(lines)


def _of_json(path: Path, content: str) -> tuple[str, ...]:
    try:
        value: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"The labels in '{path}' are no JSON: {error}.") from None
    if isinstance(value, dict):
        value = next((value[key] for key in _TABLES if isinstance(value.get(key), dict | list)), value)
    names = _by_number(value) if isinstance(value, dict) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f'The labels in \'{path}\' are no list of names: write them as ["zero", "one"] or '
            '{"0": "zero", "1": "one"}.'
        )
    return tuple(name.strip() for name in names)


def _by_number(table: dict[str, Any]) -> list[str] | None:
    """Return the names of a table by number, or of numbers by name, if the numbers run from 0."""
    pairs = [(int(key), name) for key, name in table.items() if re.fullmatch(r"\d{1,9}", key) and isinstance(name, str)]
    pairs = pairs or [(number, name) for name, number in table.items() if type(number) is int]
    pairs.sort()
    return [name for _, name in pairs] if [n for n, _ in pairs] == list(range(len(table))) else None
