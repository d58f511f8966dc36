"""Whole configurations by name: what each says beyond the defaults of :class:`TrainConfig`."""

from collections.abc import Mapping
from typing import Any

from ..errors import UnknownName

__all__ = ["DEFAULT", "RECIPES", "recipe"]

DEFAULT = "default"

RECIPES: dict[str, Mapping[str, Any]] = {
    DEFAULT: {},
    "notes": {
        "epochs": 10,
        "batch_size": 64,
        "optimizer": "sgd",
        "learning_rate": 1e-3,
        "momentum": 0.0,
        "schedule": "constant",
    },
}


def recipe(name: str) -> dict[str, Any]:
    """Give the values of a recipe by field name, as :meth:`TrainConfig.from_mapping` takes them.

    Raises:
        UnknownName: no such recipe.
    """
    if name not in RECIPES:
        raise UnknownName("recipe", name, RECIPES)
    return dict(RECIPES[name])
