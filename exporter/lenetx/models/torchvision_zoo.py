"""Look up torchvision's classifiers by name; they are built with random weights."""

import re
from collections.abc import Mapping
from typing import Any

from ..errors import InputError, UnknownName
from ..torchvision_loader import import_torchvision
from .architecture import Architecture

__all__ = ["INPUT_SHAPE", "PREFIX", "architecture", "spelled"]

PREFIX = "torchvision:"
INPUT_SHAPE = (3, 224, 224)
"""The input shape that most of them were designed for; many accept others."""

_NO_ARGUMENTS = ("weights", "weights_backbone", "progress")
_AUXILIARY = ("googlenet", "inception_v3")
"""Networks that return auxiliary outputs in training mode by default."""


def architecture(name: str, arguments: Mapping[str, object]) -> Architecture:
    """Return a classifier of ``torchvision.models`` as ``torchvision:NAME``, without auxiliary heads.

    Raises:
        UnknownName: the classifier does not exist.
        InputError: an argument requests pretrained weights.
    """
    import_torchvision()
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise UnknownName("network of torchvision", name, known)
    for refused in _NO_ARGUMENTS:
        if refused in arguments:
            raise InputError(f"'{refused}' is no --arch-arg of {PREFIX}{name}: its weights are random, or your file's.")
    extra: dict[str, Any] = {"aux_logits": False, "init_weights": True} if name in _AUXILIARY else {}
    return Architecture(
        PREFIX + name,
        models.get_model_builder(name),
        {**extra, **arguments},
        INPUT_SHAPE,
        open_ended=True,
    )


def spelled(name: str) -> str | None:
    """Return torchvision's spelling of a classifier's name, ignoring case and punctuation; ``None`` if unknown."""
    try:
        import_torchvision()
        from torchvision import models
    except (ImportError, RuntimeError):  # torchvision is optional: only its networks need it
        return None

    def plain(each: str) -> str:
        return re.sub(r"[^a-z0-9]", "", each.lower())

    return next((each for each in models.list_models(module=models) if plain(each) == plain(name)), None)
