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
from ..errors import InputError
from ..version import PRODUCER
from .config import TrainConfig
from .loop import Loop, Record
from .outcome import Splits, outcome
from .parallel import current, device_of, joined
from .progress import Progress
from .state import Identity, State, StateFile, arithmetic, go_on, read
from .tensors import to_device

__all__ = ["train"]


def train(
    config: TrainConfig | None = None,
    *,
    data_root: Path | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_epoch: Callable[[Record], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
    plots: Path | None = None,
    state: Path | None = None,
    resume: bool = False,
    save_every: float = 10.0,
) -> Checkpoint:
    """Train a network and judge it once on the test split.

    Under torchrun every process calls this with the same arguments, and gets the same checkpoint.

    Args:
        config: what to train; the defaults train ``lenet5`` on ``digits``, or go on with what is resumed.
        data_root: folder of the data set's files, see :func:`lenetx.data.load`.
        on_progress: called every few steps and after each epoch.
        on_epoch: called with the record of each epoch.
        on_notice: told what the caller should know and did not ask for, a sentence at a time.
        plots: folder for pictures of the run.
        state: file to write now and then, from which the run can be resumed; the caller deletes it once the
            checkpoint is saved.
        resume: go on with the run that wrote ``state``: with the same threads and processes on the same machine, to
            the same bits.
        save_every: seconds between two writings of ``state``; 0 for every step.

    Returns:
        The checkpoint, its ``metrics`` holding the test split's accuracy, average loss, and precision and recall by
        class.

    Raises:
        InputError, DataError: a value or data set that cannot be used, or that is not that of the run to resume.
        CheckpointError: ``state`` is damaged.
        DeviceUnavailable: the device is not there.
        Diverged: the loss became NaN or infinite; its ``checkpoint`` holds the weights kept until then.
    """
    saved = _saved(state) if resume else None
    config = config or (saved.identity.config if saved else TrainConfig())
    group = current()
    device = device_of(config.device, group)
    with joined(group, device), torch.random.fork_rng([device.index] if device.type == "cuda" else []):
        dataset = data.load(config.data, data_root)
        epochs, batch_size = config.epochs or dataset.epochs, config.batch_size or dataset.batch_size
        if batch_size > len(dataset.train):
            raise InputError(f"The batch size is {batch_size}, but there are {len(dataset.train)} training images.")
        if batch_size < group.count:
            raise InputError(f"The batch size is {batch_size}, but {group.count} processes share each batch.")
        config = dataclasses.replace(config, epochs=epochs, batch_size=batch_size)
        network = _initial_network(config, dataset).to(device)
        spec = _spec(config, dataset, network)
        fitted, chooser, judged = (part.framed(spec) for part in (dataset.train, dataset.validation, dataset.test))
        spec = _with_statistics(spec, fitted)
        splits = Splits(*(to_device(part, spec, device) for part in (fitted, chooser, judged)))
        loop = Loop(network, splits.train, splits.validation, config, group)
        identity = Identity(config, spec, dataset.digest(), arithmetic(group.count))
        if saved is not None:
            go_on(loop, saved, identity, on_notice)
        file = StateFile(state, identity, save_every) if state is not None and group.leads else None
        found = loop.run(on_progress, on_epoch, file)
        checkpoint = outcome(network, found, splits, identity, group, plots if group.leads else None)
        if found.diverged is None:
            assert checkpoint is not None, "there is at least one epoch"
            return checkpoint
        found.diverged.checkpoint = checkpoint
        raise found.diverged


def _saved(state: Path | None) -> State:
    if state is None:
        raise InputError("There is nothing to resume: name the file of the run's state.")
    return read(state)


def _initial_network(config: TrainConfig, dataset: Dataset) -> nn.Module:
    shape = models.input_shape(config.architecture)
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
