"""Check values from files, parse JSON, and escape strings for display."""

import sys
from typing import Any, TypeGuard

__all__ = [
    "LARGEST_COUNT",
    "LARGEST_JSON",
    "are_numbers",
    "fits_float32",
    "is_count",
    "is_digest",
    "is_number",
    "is_text",
    "parse_json",
    "short",
    "visible",
]

LARGEST_COUNT = 2**14
"""Maximum pixels along a side, and images in a fixed batch: no file may exhaust the memory."""
LARGEST_JSON, _MOST_VALUES = 2**27, 2**20
"""Maximum characters, and values, of a JSON document: enough characters for a self-test of 2,000×2,000 RGB pixels."""
_LONGEST_TEXT, _LONGEST_SHOWN = 2**16, 200
_LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127
_HEXADECIMAL = frozenset("0123456789abcdef")
_SPACES = "\u00a0\u2003\u2009\u200c\u200d\u202f\u3000"
"""Spaces and joiners that Python does not call printable."""


def is_text(value: object) -> TypeGuard[str]:
    """Return whether a value is a string of 1 to 65,536 characters without lone surrogates."""
    if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST_TEXT:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_digest(value: object) -> TypeGuard[str]:
    """Return whether a value is a SHA-256 digest in lower case."""
    return isinstance(value, str) and len(value) == 64 and _HEXADECIMAL.issuperset(value)


def is_count(value: object, least: int) -> TypeGuard[int]:
    """Return whether a value is a whole number from ``least`` to ``LARGEST_COUNT``."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST_COUNT


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a finite number that fits a float64."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def are_numbers(value: object, count: object) -> bool:
    """Return whether a value is a tuple of ``count`` finite numbers, at least one."""
    return isinstance(value, tuple) and len(value) == count and len(value) > 0 and all(map(is_number, value))


def fits_float32(mean: float, std: float, scale: float) -> bool:
    """Return whether every level of 0 to 255 is normalised to a finite float32."""
    return all(abs((level * float(scale) - float(mean)) / float(std)) <= _LARGEST_FLOAT32 for level in (0, 255))


def parse_json(text: str | bytes, *, finite: bool = True) -> Any:
    """Parse JSON; reject duplicate names in an object, which readers resolve differently.

    Args:
        text: the document.
        finite: reject NaN and Infinity, which are not JSON.

    Raises:
        ValueError: it is not such JSON, too large, or nested too deep.
    """
    import json

    if isinstance(text, bytes):
        text = text.decode()
    if len(text) > LARGEST_JSON or sum(map(text.count, ",[{")) > _MOST_VALUES:
        raise ValueError(f"it has more than {LARGEST_JSON // 2**20} MiB or {_MOST_VALUES:,} values")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_reject if finite else None)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"it has the name {name!a} twice")
        found[name] = value
    return found


def _reject(constant: str) -> None:
    raise ValueError(f"it holds {constant}, which is not a number")


def short(value: object) -> str:
    """Return a value as an error shows it, cut off above 200 characters."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def visible(text: str) -> str:
    """Return a string as one line; escape what is invisible or would control a terminal or a browser."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in _SPACES else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return " " if character in "\n\t" else ascii(character)[1:-1]
