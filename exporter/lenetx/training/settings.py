"""A configuration from a recipe, a file and what is said beside them, each overriding the one before."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lenetx_runtime.files import read_bytes

from ..errors import InputError
from .config import TrainConfig
from .initial import InitialWeights
from .recipes import DEFAULT, recipe

__all__ = ["names", "read_table", "settle"]

_LARGEST = 2**14
"""Bytes; all settings take two thousand. For a key of 50,000 parts Python's reader takes gigabytes."""


def settle(
    given: Mapping[str, Any],
    *,
    file: Path | None = None,
    name: str | None = None,
    initial: InitialWeights | None = None,
    base: TrainConfig | None = None,
) -> TrainConfig:
    """Give the configuration that holds ``given``, else what the file says, else the recipe, else the defaults.

    Args:
        given: values by the field names of :class:`TrainConfig`, ``augmentation`` being a mapping itself.
        file: TOML with the same names, a table ``augmentation``, and possibly the name of a ``recipe``; its table
            ``data_options`` is for :func:`settle_data_options`.
        name: of the recipe; the file's, or ``default``, when ``None``.
        initial: the weights to begin with, whose network, input and framing are taken where none is said.
        base: what holds instead of the defaults, where no recipe is named.

    Raises:
        UnknownName: there is no such recipe or field.
        InputError: the file is missing or no TOML, or a value cannot be used, or nobody says the architecture of
            ``initial``.
    """
    written = _read(file) if file is not None else {}
    written.pop("data_options", None)
    said = written.pop("recipe", None)
    if said is not None and not isinstance(said, str):
        raise InputError(f"The setting recipe is {said!r}, not of type str.")
    name = name or said
    values = recipe(name or DEFAULT) if name or base is None else base.to_mapping()
    for layer in (written, given):
        augmentation = layer.get("augmentation")
        if isinstance(augmentation, Mapping):
            layer = {**layer, "augmentation": {**values.get("augmentation", {}), **augmentation}}
        values |= layer
    if initial is not None:
        values |= initial.settings(values)
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


def names(file: Path | None) -> frozenset[str]:
    """Give the names of the settings in a configuration file; none where there is no file.

    Raises:
        InputError: the file is missing or no TOML.
    """
    return frozenset(_read(file)) if file is not None else frozenset()


def _read(file: Path) -> dict[str, Any]:
    content = read_bytes(file, "configuration", limit=_LARGEST)
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:  # not UTF-8, no TOML, or nested too deep
        raise InputError(f"The configuration '{file}' is not TOML: {error}.") from None
