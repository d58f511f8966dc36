"""What a run begins with: the network with its first weights, and the spec without the statistics of the frames."""

import copy
import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lenetx_runtime import ModelSpec
from lenetx_runtime.spec import MNIST_SIDE, POLARITIES

from .. import models
from ..checkpoint import weights_sha256
from ..data import Dataset
from ..errors import InputError
from ..models import Architecture
from ..models.foreign import in_one_sentence
from ..models.probe import fork_random
from ..version import PRODUCER
from .config import TrainConfig
from .geometry import framing_of, settle_input
from .randomness import seeded

__all__ = ["Start", "start"]


@dataclass(frozen=True, slots=True)
class Start:
    """A network that was built, and what is known of it before training.

    Attributes:
        config: as a checkpoint records it: the network's name has no path.
        architecture: how the network is built again.
        network: with its first weights, on the CPU.
        spec: all but the mean and deviation of the frames and the digest of the final weights.
        notice: a sentence for the user, or ``None``.
    """

    config: TrainConfig
    architecture: Architecture
    network: nn.Module
    spec: ModelSpec
    notice: str | None


def start(config: TrainConfig, dataset: Dataset) -> Start:
    """Build the network of a configuration for the images and classes of a data set.

    Raises:
        UnknownName, InputError: there is no such network, or it does not fit.
    """
    architecture = models.resolve(config.architecture, config.architecture_args)
    shape = settle_input(config, architecture, dataset)
    with seeded(config.seed, torch.device("cpu")):
        network = architecture.build(shape, len(dataset.class_names))
    _require_trainable(network, architecture.title, shape)
    framing, notice = framing_of(dataset, shape)
    channels, height, width = shape
    spec = ModelSpec(
        architecture=architecture.name,
        channels=channels,
        height=height,
        width=width,
        padding=(height - MNIST_SIDE) // 2 if framing == "mnist" else 0,
        scale=1 / 255,
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
        labels=dataset.class_names,
        weights_sha256=weights_sha256(network.state_dict()),
        producer=PRODUCER,
        framing=framing,
        polarity=POLARITIES[framing],
    )
    return Start(dataclasses.replace(config, architecture=architecture.name), architecture, network, spec, notice)


def _require_trainable(network: nn.Module, title: str, shape: tuple[int, int, int]) -> None:
    """Try a copy in training mode, where some networks give more than logits.

    Raises:
        InputError: it gives something else, raises an error, or has no parameter.
    """
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(f"{title} has no parameter to train.")
    tried = copy.deepcopy(network).train()
    with fork_random(), torch.no_grad(), in_one_sentence(title):
        found = tried(torch.zeros(2, *shape))
    if not isinstance(found, Tensor):
        raise InputError(f"{title} gives {type(found).__name__} in training mode, not a tensor of logits.")
