"""From what a loop gives to a checkpoint that is judged, with pictures where they are wanted."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch

from ..checkpoint import Checkpoint, weights_sha256
from ..errors import OutputError
from ..golden import with_self_test
from ..models.weights import load_into
from . import plots as pictures
from .augment import Augmenter
from .judge import Judgement, judge
from .loop import Fitted, Record
from .losses import evaluation_loss
from .parallel import Group
from .prepare import Prepared
from .start import Start
from .state import Identity

__all__ = ["outcome"]

_SAMPLES = 48


def outcome(
    begun: Start,
    fitted: Fitted,
    data: Prepared,
    identity: Identity,
    group: Group,
    plots: Path | None,
    skipped: dict[str, float],
    on_notice: Callable[[str], None],
) -> Checkpoint | None:
    """Judge the weights that were kept once on the test split, and write them down.

    Args:
        begun: the network, of any weights.
        fitted: the weights, and how they came to be.
        data: the splits.
        identity: of the run.
        group: the processes, all of which get the same weights.
        plots: folder for pictures; ``None`` for none.
        skipped: what is to be said of rows that were left out.
        on_notice: told when the pictures could not be drawn, for which no training is lost.

    Returns:
        The checkpoint; ``None`` if no epoch was finished.
    """
    if not fitted.weights:
        return None
    weights = {name: group.told(tensor) for name, tensor in fitted.weights.items()}
    load_into(begun.network, weights)
    judgement = judge(begun.network, data.test, evaluation_loss(identity.config), identity.spec.output)
    on_cpu = {name: tensor.cpu() for name, tensor in weights.items()}
    if plots is not None:
        try:
            _draw(plots, fitted, data, judgement, identity)
        except (OutputError, ImportError) as error:
            on_notice(f"The pictures could not be drawn: {error}")
    checkpoint = Checkpoint(
        spec=dataclasses.replace(identity.spec, weights_sha256=weights_sha256(on_cpu)),
        state_dict=on_cpu,
        metrics={
            "test_accuracy": judgement.accuracy,
            "test_loss": judgement.loss,
            "test_images": len(judgement.labels),
            "chosen_epoch": fitted.epoch,
            **judgement.per_class(identity.spec.labels),
            **skipped,
        },
        config={**identity.config.to_mapping(), **identity.origin},
        history=tuple(_without_time(record) | skipped for record in fitted.history),
        network=begun.architecture,
    )
    return with_self_test(checkpoint, data.golden)


def _without_time(record: Record) -> Record:
    return {name: value for name, value in record.items() if name != "seconds"}


def _draw(folder: Path, fitted: Fitted, splits: Prepared, judgement: Judgement, identity: Identity) -> None:
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
