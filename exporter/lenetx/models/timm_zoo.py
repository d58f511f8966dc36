"""Look up timm's classifiers by name; they are built with random weights, and nothing is downloaded."""

import difflib
import functools
import importlib
import math
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import InputError, Unavailable, UnknownName
from ..torchvision_loader import mend_imports
from .architecture import Architecture, Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["PREFIX", "architecture", "carried_by"]

PREFIX = "timm:"

_NO_ARGUMENTS = ("model_name", "checkpoint_path", "cache_dir", "device", "dtype")
"""Arguments of ``timm.create_model``, besides those of pretrained weights, that read files or choose a device."""
_NO_SOURCE = {"url": "", "hf_hub_id": None, "file": None, "state_dict": None}
"""Without these, timm has nowhere to take pretrained weights from."""
_NEAR = 8
_CROP = 0.875
"""timm's default ``crop_pct``."""
_FRAMINGS = {"center": "crop", "squash": "stretch"}
"""Framings that have the bits of timm's ``crop_mode``."""


def architecture(name: str, arguments: Mapping[str, object]) -> Architecture:
    """Return a classifier of timm as ``timm:NAME`` or ``timm:NAME.TAG``, with the preprocessing that timm states.

    The tag is that of pretrained weights, such as ``a1_in1k``, which may differ in their preprocessing.

    Raises:
        UnknownName: there is no such classifier.
        InputError: an argument requests pretrained weights or reads a file.
        Unavailable: timm is not installed.
    """
    timm = _imported()
    known = timm.list_models()
    if name.partition(".")[0] not in known:
        near = difflib.get_close_matches(name, known, n=_NEAR, cutoff=0.4)
        raise UnknownName("network of timm", name, [*near, f"{len(known) - len(near)} others (timm.list_models())"])
    if refused := [each for each in arguments if each.startswith("pretrained") or each in _NO_ARGUMENTS]:
        raise InputError(f"'{refused[0]}' is no --arch-arg of {PREFIX}{name}: its weights are random.")
    config = _config(timm, name)
    side = arguments.get("img_size")
    channels, *size = config.input_size
    shape = (channels, side, side) if isinstance(side, int) else (channels, *size)
    return Architecture(
        PREFIX + name,
        functools.partial(_build, name),
        dict(arguments),
        shape,
        preprocessing=functools.partial(_preprocessing, config.to_dict()),
    )


def carried_by(module: "nn.Module") -> tuple[Shape | None, Callable[[Shape], Mapping[str, Any] | None] | None]:
    """Return the input shape and the preprocessing that timm stores in a module, as in an ``Architecture``."""
    config = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
    if not isinstance(config, Mapping) or not {"input_size", "interpolation", "mean", "std"} <= config.keys():
        return None, None
    return config["input_size"], functools.partial(_preprocessing, config)


def _config(timm: ModuleType, name: str) -> Any:
    """Return timm's ``PretrainedCfg`` of a network, with a tag or without."""
    base, _, tag = name.partition(".")
    tags = [each.partition(".")[2] for each in timm.list_models(base, pretrained=True)]
    if tag and tag not in tags:
        raise UnknownName(f"tag of the network {base} of timm", tag, tags or ["none"])
    return timm.models.get_pretrained_cfg(name) or timm.models.PretrainedCfg()


def _imported() -> ModuleType:
    mend_imports()
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        missing = "" if error.name == "timm" else f" ({error})"
        raise Unavailable(
            f"The networks {PREFIX}NAME need the package timm, which cannot be imported here{missing}: install it with "
            "'pip install lenetx[timm]'."
        ) from None


def _build(name: str, num_classes: int = 1000, in_chans: int = 3, **others: Any) -> "nn.Module":
    network: nn.Module = _imported().create_model(
        name, pretrained=False, pretrained_cfg_overlay=_NO_SOURCE, num_classes=num_classes, in_chans=in_chans, **others
    )
    return network


def _preprocessing(config: Mapping[str, Any], shape: Shape) -> Mapping[str, Any] | None:
    """Return timm's evaluation transform as fields of a statement, or ``None`` if no framing has its bits.

    Args:
        config: timm's ``PretrainedCfg``.
        shape: (channels, height, width) of the input.
    """
    channels, height, width = shape
    framing = _FRAMINGS.get(config.get("crop_mode") or "center")
    interpolation, mean, std = (config.get(key) for key in ("interpolation", "mean", "std"))
    whole = framing == "stretch" and config.get("crop_pct") == 1
    if framing is None or interpolation not in ("bilinear", "bicubic") or not (whole or height == width):
        return None
    if not mean or not std or not len(mean) == len(std) == channels:
        return None
    resize = math.floor(height / (config.get("crop_pct") or _CROP))  # as timm rounds
    return {
        "framing": framing,
        "interpolation": interpolation,
        "resize": None if whole else resize,
        "mean": tuple(map(float, mean)),
        "std": tuple(map(float, std)),
    }
