"""Parse user-supplied options of a network: arguments of its factory, and its input size."""

import ast
import json
import re
from collections.abc import Iterable, Sequence

from ..errors import InputError

__all__ = ["parse", "parse_size"]

_SIDE = re.compile(r"\d{1,9}", re.ASCII)
_TOML = {"true": True, "false": False}


def parse(given: Iterable[str]) -> dict[str, object]:
    """Parse ``name=value`` strings. A value is a Python or TOML literal; anything else is a string.

    Tuples become lists, as in a checkpoint.

    Raises:
        InputError: a string has no name, or a name is repeated.
    """
    arguments: dict[str, object] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"'{text}' is not an argument of a network: give NAME=VALUE, for example width=16.")
        if name in arguments:
            raise InputError(f"The argument '{name}' is given twice.")
        arguments[name] = _TOML[value] if value in _TOML else _literal(value)
    return arguments


def parse_size(value: object) -> tuple[int, int]:
    """Parse a size, ``64``, ``"64"``, ``"48x64"`` or ``[48, 64]``, and return (height, width).

    Raises:
        InputError: the value has another form, or a side is 0.
    """
    parts: Sequence[object] = value if isinstance(value, list | tuple) else str(value).lower().split("x")
    texts = [str(part) for part in parts if not isinstance(part, bool)]
    if len(texts) not in (1, 2) or len(texts) != len(parts) or not all(map(_SIDE.fullmatch, texts)):
        raise InputError(f"The input size is {value!r}; give a height or a height and a width: 32 or 48x64.")
    height, width = int(texts[0]), int(texts[-1])
    if not (height and width):
        raise InputError(f"The input size is {value!r}; a side must be at least 1.")
    return height, width


def _literal(text: str) -> object:
    try:
        value: object = json.loads(json.dumps(ast.literal_eval(text), allow_nan=False))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return text
    return value
