"""Resolve the settings of a run and its data: options override a configuration file, which overrides a recipe."""

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from lenetx_runtime.files import read_bytes

from ..data.options import DataOptions, parse_size
from ..errors import InputError, UnknownName
from .config import TrainConfig
from .initial import InitialWeights

__all__ = ["DEFAULT", "RECIPES", "names", "read_table", "recipe", "settle", "settle_data_options"]

_LARGEST = 2**14
"""Maximum size in bytes; all settings take two thousand. For a key of 50,000 parts, Python's reader takes gigabytes."""


def settle(
    given: Mapping[str, Any],
    *,
    file: Path | None = None,
    name: str | None = None,
    initial: InitialWeights | None = None,
    base: TrainConfig | None = None,
) -> TrainConfig:
    """Return the configuration that results from ``given``, the file, the recipe and the defaults, in this order.

    Args:
        given: values by the field names of ``TrainConfig``; ``augmentation`` is itself a mapping.
        file: TOML with the same names, a table ``augmentation``, and optionally the name of a ``recipe``; its table
            ``data_options`` is read by ``settle_data_options``.
        name: name of the recipe; that in the file, or ``default``, when ``None``.
        initial: initial weights; their network, input and framing are used if no other is set.
        base: configuration that replaces the defaults if no recipe is named.

    Raises:
        UnknownName: a recipe or field does not exist.
        InputError: the file is missing or not TOML, a value cannot be used, or the network of ``initial`` is unknown.
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
    """Return one table of a configuration file, empty if it is absent.

    Raises:
        InputError: the file is missing or not TOML, or the setting is not a table.
    """
    table = _read(file).get(name, {})
    if not isinstance(table, dict):
        raise InputError(f"The setting {name} must be a table.")
    return table


def names(file: Path | None) -> frozenset[str]:
    """Return the names of the settings in a configuration file; none if ``file`` is ``None``.

    Raises:
        InputError: the file is missing or not TOML.
    """
    return frozenset(_read(file)) if file is not None else frozenset()


def _read(file: Path) -> dict[str, Any]:
    content = read_bytes(file, "configuration", limit=_LARGEST)
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or nested too deeply
        raise InputError(f"The configuration '{file}' is not TOML: {error}.") from None


DEFAULT = "default"

_AS_THEY_ARE = {"shift": 0, "rotate": 0, "scale": 0}

RECIPES: dict[str, Mapping[str, Any]] = {
    DEFAULT: {},
    "fast": {
        "epochs": 3,
        "batch_size": 128,
        "hardest": 0.06,
        "label_smoothing": 0.05,
        "schedule": "linear",
        "learning_rate": 0.01,
        "momentum": 0.7,
        "second_moment": 0.9,
        "keep": "last",
        "augmentation": _AS_THEY_ARE,
    },
    "accurate": {
        "epochs": 40,
        "batch_size": 256,
        "optimizer": "adamw",
        "learning_rate": 0.008,
        "weight_decay": 0.1,
        "label_smoothing": 0.05,
        "ema": 0.999,
        "keep": "last",
        "augmentation": {"shift": 1.5, "rotate": 10, "scale": 0.12, "shear": 0.15},
    },
    "notes": {
        "epochs": 10,
        "batch_size": 64,
        "optimizer": "sgd",
        "learning_rate": 1e-3,
        "momentum": 0.0,
        "schedule": "constant",
        "augmentation": _AS_THEY_ARE,
    },
}


def recipe(name: str) -> dict[str, Any]:
    """Return the values of a recipe by field name, as ``TrainConfig.from_mapping`` takes them.

    Raises:
        UnknownName: the recipe does not exist.
    """
    if name not in RECIPES:
        raise UnknownName("recipe", name, RECIPES)
    return dict(RECIPES[name])


def settle_data_options(given: Mapping[str, Any], *, file: Path | None = None) -> DataOptions:
    """Return the options that result from ``given``, the file's table ``data_options`` and the defaults.

    Args:
        given: values by the field names of ``DataOptions``, which take priority; a folder and a size may be strings.
        file: TOML, see ``settle``.

    Raises:
        UnknownName: a field does not exist.
        InputError: the file is missing or not TOML, or a value cannot be used.
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
