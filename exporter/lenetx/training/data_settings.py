"""How data is read, from a configuration file and what is said beside it."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..data.options import DataOptions, parse_size
from ..errors import InputError, UnknownName
from .settings import read_table

__all__ = ["settle_data_options"]


def settle_data_options(given: Mapping[str, Any], *, file: Path | None = None) -> DataOptions:
    """Give the options that hold ``given``, else the table ``data_options`` of the file, else the defaults.

    Args:
        given: values by the field names of :class:`DataOptions`; a folder and a size may be texts.
        file: TOML, see :func:`settle`.

    Raises:
        UnknownName: there is no such field.
        InputError: the file is missing or no TOML, or a value cannot be used.
    """
    written = read_table(file, "data_options") if file is not None else {}
    return DataOptions(**{name: _value(name, value) for name, value in (written | dict(given)).items()})


def _value(name: str, value: Any) -> Any:
    known = [each.name for each in fields(DataOptions)]
    if name not in known:
        raise UnknownName("data option", name, known)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if name == "images" and isinstance(value, str | Path):
        return Path(value)
    if name == "memory_limit" and isinstance(value, str):
        return parse_size(value)
    if isinstance(value, bool) if name in ("skip_bad", "follow_links") else is_number and name != "images":
        return value
    raise InputError(f"The data option {name} is {value!r}, which it cannot be.")
