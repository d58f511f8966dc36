"""From a configuration to a checkpoint."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lenetx_runtime import ModelSpec
from lenetx_runtime.spec import MNIST_SIDE, POLARITIES

from .. import data, models
from ..checkpoint import Checkpoint, weights_sha256
from ..data import Dataset, Split
from ..devices import torch_device
from ..errors import InputError
from ..version import PRODUCER
from .config import TrainConfig
from .evaluate import evaluate
from .freeze import freeze
from .loop import fit
from .losses import evaluation_loss
from .progress import Progress
from .start import Start
from .tensors import to_device

__all__ = ["train"]


def train(
    config: TrainConfig | None = None,
    *,
    data_root: Path | None = None,
    init: Path | Start | None = None,
    trust_pickle: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Checkpoint:
    """Train a network and judge it once on the test split.

    Args:
        config: what to train; the defaults train ``lenet5`` on ``digits``.
        data_root: folder of the data set's files, see :func:`lenetx.data.load`.
        init: file of the weights to begin with, as :func:`lenetx.load_weights` reads it, or what was read from one;
            random ones when ``None``.
        trust_pickle: run the code of such a file that cannot be read without.
        on_progress: called every few steps and after each epoch.
        on_notice: told what the user should know, a sentence at a time.

    Returns:
        The checkpoint, its ``metrics`` holding the test split's accuracy and average loss.

    Raises:
        InputError, DataError: a value or data set that cannot be used.
        DeviceUnavailable: the device is not there.
    """
    config = config or TrainConfig()
    device = torch_device(config.device)
    start = init
    if start is not None and not isinstance(start, Start):
        start = Start.read(Path(start), trust_pickle=trust_pickle, on_notice=on_notice)
    dataset = data.load(config.data, data_root)
    epochs, batch_size = config.epochs or dataset.epochs, config.batch_size or dataset.batch_size
    if batch_size > len(dataset.train):
        raise InputError(f"The batch size is {batch_size}, but there are {len(dataset.train)} training images.")
    config = dataclasses.replace(config, epochs=epochs, batch_size=batch_size)
    network = _initial_network(config, dataset)
    if start is not None:
        start.put_into(network, config.architecture, on_notice)
    freeze(network, config.freeze)
    network.to(device)
    spec = _spec(config, dataset, network)
    fitted, chooser, judge = (part.framed(spec) for part in (dataset.train, dataset.validation, dataset.test))
    spec = _with_statistics(spec, fitted)
    found = fit(network, to_device(fitted, spec, device), to_device(chooser, spec, device), config, on_progress)
    network.load_state_dict(found.weights)
    judged = evaluate(network, to_device(judge, spec, device), evaluation_loss(config))
    weights = {name: tensor.cpu() for name, tensor in found.weights.items()}
    return Checkpoint(
        spec=dataclasses.replace(spec, weights_sha256=weights_sha256(weights)),
        state_dict=weights,
        metrics={
            "test_accuracy": judged.accuracy,
            "test_loss": judged.loss,
            "test_images": len(judge),
            "chosen_epoch": found.epoch,
        },
        config={**dataclasses.asdict(config), "freeze": list(config.freeze), **(start.record() if start else {})},
        history=found.history,
    )


def _initial_network(config: TrainConfig, dataset: Dataset) -> nn.Module:
    shape = models.input_shape(config.architecture)
    with torch.random.fork_rng(devices=[]):  # the caller's random state stays as it was
        torch.manual_seed(config.seed)
        return models.build(config.architecture, shape, len(dataset.class_names))


def _spec(config: TrainConfig, dataset: Dataset, network: nn.Module) -> ModelSpec:
    """Say all but the statistics of the frames, which are not there yet."""
    channels, height, width = models.input_shape(config.architecture)
    return ModelSpec(
        architecture=config.architecture,
        channels=channels,
        height=height,
        width=width,
        padding=(height - MNIST_SIDE) // 2 if dataset.framing == "mnist" else 0,
        scale=1 / 255,
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
        labels=dataset.class_names,
        weights_sha256=weights_sha256(network.state_dict()),
        producer=PRODUCER,
        framing=dataset.framing,
        polarity=POLARITIES[dataset.framing],
    )


def _with_statistics(spec: ModelSpec, frames: Split) -> ModelSpec:
    """Set mean and standard deviation of each channel of the frames, on a scale of 1 and to four digits.

    The deviation of a channel that is the same everywhere is set to 1.
    """
    planes = np.moveaxis(frames.images, 3, 0) if spec.channels > 1 else frames.images[None]
    found = [_statistics(plane) for plane in planes]
    return dataclasses.replace(spec, mean=tuple(mean for mean, _ in found), std=tuple(std or 1.0 for _, std in found))


def _statistics(plane: NDArray[np.uint8]) -> tuple[float, float]:
    levels = np.bincount(plane.ravel(), minlength=256)
    share = levels / levels.sum()
    grey = np.arange(256) / 255
    mean = float((share * grey).sum())
    return round(mean, 4), round(float(np.sqrt((share * (grey - mean) ** 2).sum())), 4)
