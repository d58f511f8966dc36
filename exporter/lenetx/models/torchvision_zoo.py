"""torchvision's classifiers by name, with random weights."""

import re
from collections.abc import Mapping
from typing import Any

from ..errors import InputError, UnknownName
from ..torchvision_loader import import_torchvision
from .architecture import Architecture

__all__ = ["INPUT_SHAPE", "PREFIX", "architecture", "spelled"]

PREFIX = "torchvision:"
INPUT_SHAPE = (3, 224, 224)
"""That of the pictures which most of them were made for; others fit many of them."""

_NO_ARGUMENTS = ("weights", "weights_backbone", "progress")
_AUXILIARY = ("googlenet", "inception_v3")
"""They give more than logits while they train, unless told not to."""


def architecture(name: str, arguments: Mapping[str, object]) -> Architecture:
    """Return ``torchvision:NAME``, NAME being a classifier of ``torchvision.models``; auxiliary heads are left out.

    Raises:
        UnknownName: there is no such classifier.
        InputError: an argument asks for weights.
    """
    import_torchvision()
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise UnknownName("network of torchvision", name, known)
    for refused in _NO_ARGUMENTS:
        if refused in arguments:
            raise InputError(f"'{refused}' is no --arch-arg of {PREFIX}{name}: its weights are random.")
    extra: dict[str, Any] = {"aux_logits": False, "init_weights": True} if name in _AUXILIARY else {}
    return Architecture(
        PREFIX + name,
        models.get_model_builder(name),
        {**extra, **arguments},
        INPUT_SHAPE,
        open_ended=True,
    )


def spelled(name: str) -> str | None:
    """Return torchvision's classifier of a name, whatever its case and hyphens; ``None`` if there is none."""
    try:
        import_torchvision()
        from torchvision import models
    except (ImportError, RuntimeError):  # it is not needed for networks of the user's own
        return None

    def plain(each: str) -> str:
        return re.sub(r"[^a-z0-9]", "", each.lower())

    return next((each for each in models.list_models(module=models) if plain(each) == plain(name)), None)
