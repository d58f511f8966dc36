"""Whole configurations by name: what each says beyond the defaults of :class:`TrainConfig`."""

from collections.abc import Mapping
from typing import Any

from ..errors import UnknownName

__all__ = ["DEFAULT", "RECIPES", "recipe"]

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
    """Give the values of a recipe by field name, as :meth:`TrainConfig.from_mapping` takes them.

    Raises:
        UnknownName: no such recipe.
    """
    if name not in RECIPES:
        raise UnknownName("recipe", name, RECIPES)
    return dict(RECIPES[name])
