"""From a configuration to a checkpoint."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec

from .. import data
from ..checkpoint import Checkpoint, weights_sha256
from ..data import Split
from ..devices import torch_device
from ..errors import InputError
from ..models.weights import load_weights
from .config import TrainConfig
from .evaluate import evaluate
from .freeze import freeze
from .initial import InitialWeights
from .loop import fit
from .losses import evaluation_loss
from .progress import Progress
from .randomness import seeded
from .start import start
from .tensors import to_device

__all__ = ["train"]


def train(
    config: TrainConfig | None = None,
    *,
    data_root: Path | None = None,
    init: Path | InitialWeights | None = None,
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
        on_notice: told what the caller should know and did not ask for, a sentence at a time.

    Returns:
        The checkpoint, its ``metrics`` holding the test split's accuracy and average loss.

    Raises:
        InputError, DataError: a value or data set that cannot be used.
        DeviceUnavailable: the device is not there.
    """
    config = config or TrainConfig()
    device = torch_device(config.device)
    initial = init
    if initial is not None and not isinstance(initial, InitialWeights):
        initial = InitialWeights.read(Path(initial), trust_pickle=trust_pickle, on_notice=on_notice)
    dataset = data.load(config.data, data_root)
    epochs, batch_size = config.epochs or dataset.epochs, config.batch_size or dataset.batch_size
    if batch_size > len(dataset.train):
        raise InputError(f"The batch size is {batch_size}, but there are {len(dataset.train)} training images.")
    config = dataclasses.replace(config, epochs=epochs, batch_size=batch_size)
    begun = start(config, dataset)
    if initial is not None:
        initial.put_into(begun.network, begun.architecture, on_notice)
    freeze(begun.network, config.freeze)
    config, network, spec = begun.config, begun.network.to(device), begun.spec
    if begun.notice:
        on_notice(begun.notice)
    fitted, chooser, judge = (part.framed(spec) for part in (dataset.train, dataset.validation, dataset.test))
    spec = _with_statistics(spec, fitted)
    with seeded(config.seed, device):  # what dropout draws
        found = fit(network, to_device(fitted, spec, device), to_device(chooser, spec, device), config, on_progress)
    load_weights(network, found.weights)
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
        config=config.to_mapping() | (initial.record() if initial is not None else {}),
        history=found.history,
        network=begun.architecture,
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
