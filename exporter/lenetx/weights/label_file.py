"""Read class names from an option's value, or from a file of lines, CSV or JSON."""

import json
import re
from pathlib import Path
from typing import Any

from lenetx_runtime.files import read_bytes

from ..errors import InputError
from ..files import decode_text, exists

__all__ = ["read_labels"]

_LARGEST = 2**20
_ENDINGS = (".txt", ".json", ".csv", ".tsv", ".names", ".labels", ".lst")
_NUMBERED = (
    re.compile(r"(?P<number>\d{1,6})[\s.,;:=]+(?P<name>\S.*)", re.ASCII),
    re.compile(r"(?P<name>\S.*?)\s*[\t,;:=]\s*(?P<number>\d{1,6})", re.ASCII),
)
"""Patterns of lines with a name and its number."""
_TABLES = ("id2label", "idx_to_class", "class_names", "classes", "labels", "names", "label2id", "class_to_idx")
"""Keys under which programs store class names in a JSON object with other entries."""


def read_labels(text: str) -> tuple[str, ...]:
    """Return class names in the order of the logits.

    Args:
        text: names separated by commas, or the path of a file: one name per line, optionally with its number, or JSON
            with a list of names, a mapping from numbers to names, or one from names to numbers.

    Raises:
        InputError: the file is missing or cannot be read as such a list.
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
        return decode_text(content)
    except UnicodeDecodeError:
        raise InputError(f"The labels in '{path}' are not UTF-8: save the file in that encoding.") from None


def _of_content(path: Path, content: str) -> tuple[str, ...]:
    if content.lstrip()[:1] in ("[", "{"):
        return _of_json(path, content)
    lines = [line.strip() for line in content.splitlines() if line.strip()]
    if len(lines) == 1:
        lines = re.split(r"[,;\t]", lines[0])
    return tuple(map(_plain, _without_numbers(lines) or lines))


def _without_numbers(lines: list[str]) -> list[str] | None:
    """Return the names if the lines number them from 0 or 1, optionally below a header, else ``None``."""
    headed = bool(lines) and re.search(r"[,;\t]", lines[0]) is not None
    for pattern in _NUMBERED:
        found = [pattern.fullmatch(line) for line in lines]
        found = found[1:] if headed and not found[0] else found
        names = [each["name"] for each in found if each]
        numbers = [int(each["number"]) for each in found if each]
        first = numbers[0] if numbers else 0
        if first < 2 and len(set(names)) == len(found) and numbers == list(range(first, first + len(found))):
            return names
    return None


def _plain(name: str) -> str:
    """Return a name without surrounding spaces and quotation marks."""
    name = name.strip()
    return name[1:-1] if len(name) > 2 and name[0] == name[-1] == '"' else name


def _of_json(path: Path, content: str) -> tuple[str, ...]:
    try:
        value: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"The labels in '{path}' are not JSON: {error}.") from None
    if isinstance(value, dict):
        value = next((value[key] for key in _TABLES if isinstance(value.get(key), dict | list)), value)
    names = _by_number(value) if isinstance(value, dict) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f'The labels in \'{path}\' are not a list of names: write them as ["zero", "one"] or '
            '{"0": "zero", "1": "one"}.'
        )
    return tuple(name.strip() for name in names)


def _by_number(table: dict[str, Any]) -> list[str] | None:
    """Return the names of a table from numbers to names or back, if the numbers run from 0, else ``None``.

    If an entry is a list, as in ImageNet's tables, its last item is the name.
    """
    named = {key: name[-1] if isinstance(name, list) and name else name for key, name in table.items()}
    pairs = [(int(key), name) for key, name in named.items() if re.fullmatch(r"\d{1,6}", key) and isinstance(name, str)]
    pairs = pairs or [(number, name) for name, number in table.items() if type(number) is int]
    pairs.sort()
    return [name for _, name in pairs] if [n for n, _ in pairs] == list(range(len(table))) else None
