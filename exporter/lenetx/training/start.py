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
from ..output import output_of
from ..version import PRODUCER
from .config import TrainConfig
from .geometry import framing_of, settle_input
from .losses import applied_twice
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
        notices: sentences for the user.
    """

    config: TrainConfig
    architecture: Architecture
    network: nn.Module
    spec: ModelSpec
    notices: tuple[str, ...]


def start(config: TrainConfig, dataset: Dataset) -> Start:
    """Build the network of a configuration for the images and classes of a data set.

    Raises:
        UnknownName, InputError: there is no such network, or it does not fit.
    """
    architecture = models.resolve(config.architecture, config.architecture_args)
    shape = settle_input(config, architecture, dataset)
    with seeded(config.seed, torch.device("cpu")):
        network = architecture.build(shape, len(dataset.class_names))
    _require_trainable(network, architecture.title)
    if _runs_channels_last(network, shape):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # pooling is far faster so
    else:
        _require_logits_in_training(network, architecture.title, shape)
    framing, notice = framing_of(config, dataset, shape)
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
        output=output_of(network, architecture, shape),
    )
    notices = tuple(filter(None, (notice, applied_twice(config, architecture.title, spec.output))))
    return Start(dataclasses.replace(config, architecture=architecture.name), architecture, network, spec, notices)


def _require_trainable(network: nn.Module, title: str) -> None:
    """Raise InputError if a network has no parameter to train or keeps more than tensors."""
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(f"{title} has no parameter to train.")
    if others := [name for name, value in network.state_dict().items() if not isinstance(value, Tensor)]:
        raise InputError(f"{title} keeps {others[0]} in its state_dict, which is no tensor.")


def _runs_channels_last(network: nn.Module, shape: tuple[int, int, int]) -> bool:
    """Say whether a network gives a tensor in that layout, which code with ``view`` does not take."""
    try:
        tried = copy.deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return isinstance(_in_training(tried, shape), Tensor)
    except Exception:  # whatever it raises, the other layout tells whether it is at fault
        return False


def _require_logits_in_training(network: nn.Module, title: str, shape: tuple[int, int, int]) -> None:
    """Raise InputError if a network raises an error in training mode or gives more than logits, as some do."""
    with in_one_sentence(title):
        found = _in_training(copy.deepcopy(network), shape)
    if not isinstance(found, Tensor):
        raise InputError(f"{title} gives {type(found).__name__} in training mode, not a tensor of logits.")


def _in_training(copied: nn.Module, shape: tuple[int, int, int]) -> object:
    with fork_random(), torch.no_grad():
        found: object = copied.train()(torch.zeros(2, *shape))
    return found
