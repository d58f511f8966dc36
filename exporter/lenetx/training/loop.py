"""The training loop, knowing nothing of files, data sets or terminals."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .augment import Augmenter
from .config import TrainConfig
from .evaluate import Evaluation, evaluate
from .losses import evaluation_loss
from .progress import Progress
from .stepper import Stepper
from .tensors import Inputs

__all__ = ["Fitted", "fit"]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a run gives.

    Attributes:
        weights: the state_dict of the epoch that was kept, contiguous.
        epoch: its number, from 1.
        history: a record per epoch.
    """

    weights: dict[str, Tensor]
    epoch: int
    history: tuple[dict[str, float], ...]


def fit(
    network: nn.Module,
    train: Inputs,
    validation: Inputs,
    config: TrainConfig,
    on_progress: Callable[[Progress], None],
) -> Fitted:
    """Train in place, as the configuration says, whose epochs and batch size are numbers.

    Of two epochs the one with the higher validation accuracy is better, the lower loss deciding between equals.

    Raises:
        LenetxError: the loss became NaN or infinite.
    """
    epochs, batch_size = config.epochs, config.batch_size
    assert epochs is not None, "the data set's default is filled in before"
    assert batch_size is not None, "the data set's default is filled in before"
    draws = torch.Generator().manual_seed(config.seed)
    _, height, width = train.shape
    augmenter = Augmenter(config.augmentation, height, width, train.device, draws)
    stepper = Stepper(
        network,
        config,
        steps=len(train) // batch_size * epochs,
        augmenter=augmenter if config.augmentation else None,
    )
    loss = evaluation_loss(config)
    history: list[dict[str, float]] = []
    best: Evaluation | None = None
    best_epoch, kept_epoch = 0, 0
    weights: dict[str, Tensor] = {}
    for epoch in range(1, epochs + 1):
        stepper.begin_epoch()
        for inputs, labels in train.batches(_shuffled(len(train), batch_size, draws)):
            stepper.step(inputs, labels)
            if stepper.due():
                on_progress(stepper.progress(epoch, epochs))
        train_loss, train_accuracy = stepper.epoch_means()
        judged = evaluate(stepper.judged, validation, loss)
        stepper.require_finite(judged.loss)
        history.append(
            {
                "epoch": epoch,
                "train_loss": train_loss,
                "train_accuracy": train_accuracy,
                "validation_loss": judged.loss,
                "validation_accuracy": judged.accuracy,
            }
        )
        better = best is None or (judged.accuracy, -judged.loss) > (best.accuracy, -best.loss)
        if better:
            best, best_epoch = judged, epoch
        if better or config.keep == "last":
            weights, kept_epoch = _contiguous_copy(stepper.judged), epoch
        on_progress(stepper.progress(epoch, epochs, judged.accuracy))
        if config.patience is not None and epoch - best_epoch >= config.patience:
            break
    return Fitted(weights, kept_epoch, tuple(history))


def _contiguous_copy(network: nn.Module) -> dict[str, Tensor]:
    weights = network.state_dict()
    return {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in weights.items()}


def _shuffled(count: int, size: int, draws: torch.Generator) -> tuple[Tensor, ...]:
    """Give the row numbers of an epoch's batches, the last and smaller one left out."""
    permutation = torch.randperm(count, generator=draws)
    return tuple(permutation[: count // size * size].split(size))
