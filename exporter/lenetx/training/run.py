"""From a configuration to a checkpoint."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from lenetx_runtime import ModelSpec
from lenetx_runtime.spec import MNIST_SIDE, POLARITIES

from .. import data, models
from ..checkpoint import Checkpoint, weights_sha256
from ..data import DataOptions, Dataset
from ..devices import torch_device
from ..errors import InputError
from ..version import PRODUCER
from .config import TrainConfig
from .evaluate import evaluate
from .loop import fit
from .losses import evaluation_loss
from .prepare import prepare
from .progress import Progress
from .reading import worker_deaths_in_words

__all__ = ["train"]


@worker_deaths_in_words()
def train(
    config: TrainConfig | None = None,
    *,
    data_root: Path | None = None,
    data_options: DataOptions | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Checkpoint:
    """Train a network and judge it once on the test split.

    Args:
        config: what to train; the defaults train ``lenet5`` on ``digits``.
        data_root: folder of the data set's files, see :func:`lenetx.data.load`.
        data_options: how to read a set of one's own, and how much of any set may lie in memory.
        on_progress: called every few steps and after each epoch.
        on_notice: told what the caller should know and did not ask for, a sentence at a time.

    Returns:
        The checkpoint, its ``metrics`` holding the test split's accuracy and average loss.

    Raises:
        InputError, DataError: a value or data set that cannot be used.
        DeviceUnavailable: the device is not there.
    """
    config = config or TrainConfig()
    device = torch_device(config.device)
    options = data_options or DataOptions()
    dataset = data.load(config.data, data_root, options=options, classes=config.classes)
    if config.data not in data.SOURCES:  # a path of this machine, of which the base name is recorded
        config = dataclasses.replace(config, data=dataset.name)
    _require_full_batch(config.batch_size or 1, len(dataset.train))
    network = _initial_network(config, dataset).to(device)
    spec = _spec(config, dataset, network)
    ready = prepare(dataset, spec, device, options, on_notice)
    spec = ready.spec
    epochs, batch_size = config.epochs or dataset.epochs, config.batch_size or min(dataset.batch_size, len(ready.train))
    _require_full_batch(batch_size, len(ready.train))  # fewer than there were, where rows are skipped
    config = dataclasses.replace(config, epochs=epochs, batch_size=batch_size)
    found = fit(network, ready.train, ready.validation, config, on_progress)
    network.load_state_dict(found.weights)
    judged = evaluate(network, ready.test, evaluation_loss(config))
    skipped = {"skipped_rows": ready.skipped} if options.skip_bad else {}
    weights = {name: tensor.cpu() for name, tensor in found.weights.items()}
    return Checkpoint(
        spec=dataclasses.replace(spec, weights_sha256=weights_sha256(weights)),
        state_dict=weights,
        metrics={
            "test_accuracy": judged.accuracy,
            "test_loss": judged.loss,
            "test_images": len(ready.test),
            "chosen_epoch": found.epoch,
            **skipped,
        },
        config=dataclasses.asdict(config),
        history=tuple(record | skipped for record in found.history),
    )


def _require_full_batch(size: int, images: int) -> None:
    if size > images:
        raise InputError(f"The batch size is {size}, but there are {images} training images.")


def _initial_network(config: TrainConfig, dataset: Dataset) -> nn.Module:
    shape = models.input_shape(config.architecture)
    with torch.random.fork_rng(devices=[]):  # the caller's random state stays as it was
        torch.manual_seed(config.seed)
        return models.build(config.architecture, shape, len(dataset.class_names))


def _spec(config: TrainConfig, dataset: Dataset, network: nn.Module) -> ModelSpec:
    """Say all but the statistics of the frames, which are not there yet."""
    channels, height, width = models.input_shape(config.architecture)
    framing = config.framing or dataset.framing
    if config.framing == "mnist" and (channels > 1 or height != width or height < MNIST_SIDE or height % 2):
        raise InputError(
            f"The framing mnist gives {MNIST_SIDE}×{MNIST_SIDE} grey pixels, which do not fit the input "
            f"{channels}×{height}×{width} of {config.architecture}: choose --framing stretch or letterbox."
        )
    return ModelSpec(
        architecture=config.architecture,
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
