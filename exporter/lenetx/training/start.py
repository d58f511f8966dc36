"""Build the network of a run with its initial weights, and a spec that lacks only the frames' statistics."""

import copy
import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lenetx_runtime import ModelSpec

from .. import models
from ..data import Dataset
from ..errors import ArtifactError, InputError
from ..execution.user_code import user_code
from ..graph.output import output_of
from ..models import Architecture
from ..models.architecture import Shape
from ..models.load_into import load_into
from ..models.probe import fork_random
from ..models.purity import impurity, require_rebuildable
from ..weights.plain_tensors import weights_sha256
from ..weights.stated_spec import unknown_spec
from ..weights.statement import Statement
from .config import TrainConfig
from .geometry import framing_of, settle_input
from .losses import applied_twice
from .order import seeded

__all__ = ["Start", "start"]

_IMAGES = 2
"""Batch size on which a network is tried in training mode, unless its batches are smaller."""


@dataclass(frozen=True, slots=True)
class Start:
    """A newly built network and what is known of it before training.

    Attributes:
        config: the configuration as a checkpoint records it: the network's name has no path.
        architecture: builds the network.
        network: the network with its initial weights, on the CPU.
        spec: the spec without the frames' mean and std and the digest of the trained weights.
        notices: sentences for the user.
        pure: whether the logits of an image depend on that image alone; if not, the network cannot be exported.
    """

    config: TrainConfig
    architecture: Architecture
    network: nn.Module
    spec: ModelSpec
    notices: tuple[str, ...]
    pure: bool = True


def start(config: TrainConfig, dataset: Dataset, processes: int = 1) -> Start:
    """Build the network of a configuration for the images and classes of a data set.

    Args:
        config: configuration of the run.
        dataset: the data set.
        processes: number of processes that share each batch.

    Raises:
        UnknownName: there is no such network.
        InputError: the network does not fit the images and classes, or cannot be trained.
    """
    architecture = models.resolve(config.architecture, config.architecture_args)
    shape = settle_input(config, architecture, dataset)
    notes: list[str] = []
    reason = None
    with seeded(config.seed, torch.device("cpu")):
        network = architecture.build(shape, len(dataset.class_names), notes.append)
    _require_trainable(network, architecture.title)
    if not models.is_safe(architecture.name):
        require_rebuildable(network, architecture.title, shape, lambda: _again(architecture, network, shape, dataset))
        reason = impurity(network, architecture.title, shape)
    share = min(config.batch_size or dataset.batch_size, len(dataset.train)) // processes
    images = max(1, min(share, _IMAGES))
    wanted = (images, len(dataset.class_names))
    if _runs_channels_last(network, shape, wanted):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # far faster pooling
    else:
        if images < _IMAGES and _learns_from(network, shape, (_IMAGES, wanted[1])):
            raise InputError(
                f"{architecture.title} cannot learn from one image at a time, as no batch norm can: it needs at least "
                f"two training images and a --batch-size of at least {_IMAGES * processes}."
            )
        _require_logits_in_training(network, architecture.title, shape, wanted)
    framing, notice = framing_of(config, dataset, shape)
    stated = Statement(framing, interpolation=config.interpolation, resize=config.resize)
    spec = _spec(architecture.name, shape, network, dataset, stated)
    spec = dataclasses.replace(spec, output=output_of(network, architecture, shape))
    only = reason and f"{reason} As it is, it can be trained, but not exported."
    notices = tuple(filter(None, (*notes, only, notice, applied_twice(config, architecture.title, spec.output))))
    config = dataclasses.replace(config, architecture=architecture.name)
    return Start(config, architecture, network, spec, notices, pure=reason is None)


def _spec(name: str, shape: Shape, network: nn.Module, dataset: Dataset, stated: Statement) -> ModelSpec:
    """Return the spec of a fresh network.

    Raises:
        InputError: the stated framing does not fit.
    """
    spec = unknown_spec(name, shape, len(dataset.class_names), weights_sha256(network.state_dict()))
    try:
        return dataclasses.replace(spec, labels=dataset.class_names, **stated.frame_fields(shape))
    except ArtifactError as error:
        raise InputError(f"The framing {stated.framing} cannot be used: {error}") from None


def _require_trainable(network: nn.Module, title: str) -> None:
    """Raise InputError if a network has no trainable parameter, or its state_dict holds more than tensors."""
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(f"{title} has no parameter to train.")
    if others := [name for name, value in network.state_dict().items() if not isinstance(value, Tensor)]:
        raise InputError(f"{title} keeps {others[0]} in its state_dict, which is not a tensor.")


def _again(architecture: Architecture, network: nn.Module, shape: Shape, dataset: Dataset) -> nn.Module:
    """Build the network again with the same weights."""
    other = architecture.build(shape, len(dataset.class_names))
    load_into(other, network.state_dict())
    return other


def _runs_channels_last(network: nn.Module, shape: Shape, wanted: tuple[int, int]) -> bool:
    """Return whether a network can be trained in the channels-last layout; code with ``view`` often cannot."""
    try:
        with user_code("It"):
            tried = copy.deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    except InputError:  # an actual error is reported when the default layout is tried
        return False
    return _learns_from(tried, shape, wanted)


def _learns_from(network: nn.Module, shape: Shape, wanted: tuple[int, int]) -> bool:
    """Return whether a network in training mode returns logits of the shape ``wanted``, with gradients."""
    try:
        with user_code("It"):
            tried = copy.deepcopy(network)
            found = _in_training(tried, shape, wanted[0])
            return isinstance(found, Tensor) and found.shape == wanted and _learns(tried, found)
    except InputError:
        return False


def _require_logits_in_training(network: nn.Module, title: str, shape: Shape, wanted: tuple[int, int]) -> None:
    """Raise InputError if a network in training mode fails, returns anything but logits, or gets no gradients."""
    with user_code(title, " in training mode"):
        copied = copy.deepcopy(network)
        found = _in_training(copied, shape, wanted[0])
        if not isinstance(found, Tensor):
            raise InputError(
                f"{title} gives {type(found).__name__} in training mode, not a tensor of logits: give "
                "the logits alone, or train it with your own loop and export its weights."
            )
        if found.shape != wanted:
            raise InputError(
                f"{title} gives logits of shape {list(found.shape)} for {wanted[0]} images in training mode instead of "
                f"{list(wanted)}."
            )
        if not _learns(copied, found):
            raise InputError(
                f"{title} gives logits without gradients in training mode: look for torch.no_grad(), .detach() and "
                ".data in its forward."
            )


def _in_training(copied: nn.Module, shape: Shape, images: int) -> object:
    with fork_random():
        found: object = copied.train()(torch.zeros(images, *shape))
    return found


def _learns(network: nn.Module, logits: Tensor) -> bool:
    """Return whether the gradient of these logits reaches a parameter."""
    if not logits.requires_grad:
        return False
    logits.sum().backward()
    return any(parameter.grad is not None for parameter in network.parameters())
