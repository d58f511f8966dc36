"""From what a loop gives to a checkpoint that is judged, with pictures where they are wanted."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ..checkpoint import Checkpoint, weights_sha256
from . import plots as pictures
from .augment import Augmenter
from .judge import Judgement, judge
from .loop import Fitted
from .losses import evaluation_loss
from .parallel import Group
from .state import Identity
from .tensors import Inputs

__all__ = ["Splits", "outcome"]

_SAMPLES = 48


@dataclass(frozen=True, slots=True)
class Splits:
    """The three parts of a data set on the device."""

    train: Inputs
    validation: Inputs
    test: Inputs


def outcome(
    network: nn.Module, fitted: Fitted, splits: Splits, identity: Identity, group: Group, plots: Path | None
) -> Checkpoint | None:
    """Judge the weights that were kept once on the test split, and write them down.

    Args:
        network: of any weights.
        fitted: the weights, and how they came to be.
        splits: the data.
        identity: of the run.
        group: the processes, all of which get the same weights.
        plots: folder for pictures; ``None`` for none.

    Returns:
        The checkpoint; ``None`` if no epoch was finished.
    """
    if not fitted.weights:
        return None
    weights = {name: group.told(tensor) for name, tensor in fitted.weights.items()}
    network.load_state_dict(weights)
    judgement = judge(network, splits.test, evaluation_loss(identity.config))
    on_cpu = {name: tensor.cpu() for name, tensor in weights.items()}
    if plots is not None:
        _draw(plots, fitted, splits, judgement, identity)
    return Checkpoint(
        spec=dataclasses.replace(identity.spec, weights_sha256=weights_sha256(on_cpu)),
        state_dict=on_cpu,
        metrics={
            "test_accuracy": judgement.accuracy,
            "test_loss": judgement.loss,
            "test_images": len(judgement.labels),
            "chosen_epoch": fitted.epoch,
            **judgement.per_class(identity.spec.labels),
        },
        config=dataclasses.asdict(identity.config),
        history=tuple({name: value for name, value in each.items() if name != "seconds"} for each in fitted.history),
    )


def _draw(folder: Path, fitted: Fitted, splits: Splits, judgement: Judgement, identity: Identity) -> None:
    pictures.curves(folder / "curves.png", fitted.history)
    inputs, labels = next(iter(splits.train.batches([torch.arange(min(_SAMPLES, len(splits.train)))])))
    if identity.config.augmentation:
        _, height, width = splits.train.shape
        draws = torch.Generator().manual_seed(identity.config.seed)
        inputs = Augmenter(identity.config.augmentation, height, width, splits.train.device, draws)(inputs)
    spec = identity.spec
    pictures.samples(folder / "samples.png", inputs, labels, spec)
    pictures.confusion(folder / "confusion.png", judgement, spec.labels)
    pictures.mistakes(folder / "mistakes.png", judgement, splits.test, spec)
