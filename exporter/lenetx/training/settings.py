"""A configuration from a recipe, a file and what is said beside them, each overriding the one before."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lenetx_runtime.files import read_bytes

from ..errors import InputError
from .config import TrainConfig
from .recipes import DEFAULT, recipe

__all__ = ["read_table", "settle"]


def settle(given: Mapping[str, Any], *, file: Path | None = None, name: str | None = None) -> TrainConfig:
    """Give the configuration that holds ``given``, else what the file says, else the recipe, else the defaults.

    Args:
        given: values by the field names of :class:`TrainConfig`, ``augmentation`` being a mapping itself.
        file: TOML with the same names, a table ``augmentation``, and possibly the name of a ``recipe``; its table
            ``data_options`` is for :func:`settle_data_options`.
        name: of the recipe; the file's, or ``default``, when ``None``.

    Raises:
        UnknownName: there is no such recipe or field.
        InputError: the file is missing or no TOML, or a value cannot be used.
    """
    written = _read(file) if file is not None else {}
    written.pop("data_options", None)
    said = written.pop("recipe", DEFAULT)
    if not isinstance(said, str):
        raise InputError(f"The setting recipe is {said!r}, not of type str.")
    values = recipe(name or said)
    for layer in (written, given):
        augmentation = layer.get("augmentation")
        if isinstance(augmentation, Mapping):
            layer = {**layer, "augmentation": {**values.get("augmentation", {}), **augmentation}}
        values |= layer
    return TrainConfig.from_mapping(values)


def read_table(file: Path, name: str) -> dict[str, Any]:
    """Give one table of a configuration file, empty where it is not there.

    Raises:
        InputError: the file is missing or no TOML, or that is no table.
    """
    table = _read(file).get(name, {})
    if not isinstance(table, dict):
        raise InputError(f"The setting {name} is a table of its own.")
    return table


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_bytes(file, "configuration", limit=2**20).decode())
    except ValueError as error:  # not UTF-8, or no TOML
        raise InputError(f"The configuration '{file}' is not TOML: {error}.") from None
