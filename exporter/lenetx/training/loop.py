"""Run the training loop, independently of data sets and terminals."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..frames.device_split import Inputs
from .augment import Augmenter
from .config import TrainConfig
from .evaluation import evaluate
from .guard import guard_of
from .losses import evaluation_loss
from .order import Order
from .parallel import ALONE, Group
from .progress import Diverged, Progress
from .state import StateFile
from .state_checks import InvalidState, count, fields, number, tensor, tensors
from .stepper import Stepper

__all__ = ["Fitted", "Loop", "Record"]

_WORST = (-1.0, math.inf)
"""Accuracy and loss that any epoch improves on."""

_LARGEST = 1e300
"""Maximum plausible figure in an epoch's record."""

Record = dict[str, float]
"""Figures of an epoch, by name."""
_RECORDED = (
    "epoch",
    "step",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "seconds",
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Result of a run.

    Attributes:
        weights: state_dict of the epoch that was kept, contiguous; empty if no epoch was finished.
        epoch: number of that epoch, from 1; 0 for none.
        history: one record per epoch.
        diverged: the error that ended the run early, if any.
    """

    weights: dict[str, Tensor]
    epoch: int
    history: tuple[Record, ...]
    diverged: Diverged | None = None


class Loop:
    """One training run and its current state.

    The best epoch is the one with the highest validation accuracy and, among equals, the lowest validation loss.

    Args:
        network: trained in place.
        train: training split.
        validation: validation split, which chooses the epoch.
        config: configuration; its epochs and batch size are not ``None``.
        group: processes that share each batch.
    """

    def __init__(
        self,
        network: nn.Module,
        train: Inputs,
        validation: Inputs,
        config: TrainConfig,
        group: Group = ALONE,
    ) -> None:
        assert config.epochs is not None, "the data set's default is filled in before"
        assert config.batch_size is not None, "the data set's default is filled in before"
        self._network, self._train, self._validation, self._config = network, train, validation, config
        self._epochs, self._group = config.epochs, group
        self._draws = torch.Generator().manual_seed(config.seed)
        _, height, width = train.shape
        augmenter = Augmenter(config.augmentation, height, width, train.device, self._draws, group)
        self._order = Order(len(train), config, self._draws, group, train.device)
        self._stepper = Stepper(
            network,
            config,
            steps=self._order.steps(self._epochs),
            augmenter=augmenter if config.augmentation else None,
            group=group,
        )
        self._loss, self._guard = evaluation_loss(config), guard_of(config, group)
        self._epoch = 1
        self._history: list[Record] = []
        self._best, self._best_epoch, self._kept_epoch = _WORST, 0, 0
        self._weights: dict[str, Tensor] = {}

    def run(
        self,
        on_progress: Callable[[Progress], None] = lambda _: None,
        on_epoch: Callable[[Record], None] = lambda _: None,
        state: StateFile | None = None,
    ) -> Fitted:
        """Train to the end.

        Args:
            on_progress: called every few steps and after each epoch; only in the leading process.
            on_epoch: called with the record of each epoch, first with those of a resumed run; only in the leading
                process.
            state: file that the state of the run is regularly written to, to resume from.
        """
        if not self._group.leads:
            on_progress, on_epoch = (lambda _: None), (lambda _: None)
        for record in self._history:
            on_epoch(record)
        diverged = None
        try:
            while self._epoch <= self._epochs and not self._out_of_patience():
                self._fit_epoch(on_progress, state)
                on_epoch(self._judge_epoch(on_progress))
                self._order.end_epoch()
                self._stepper.begin_epoch()
                self._epoch += 1
                self._write(state)
        except Diverged as error:
            diverged = error
        return Fitted(self._weights, self._kept_epoch, tuple(self._history), diverged)

    def state_dict(self) -> dict[str, Any]:
        """Return the state that the rest of the run depends on."""
        return {
            "stepper": self._stepper.state_dict(),
            "epoch": self._epoch,
            "order": self._order.state_dict(),
            "draws": self._draws.get_state(),
            "history": [dict(record) for record in self._history],
            "best": self._best,
            "best_epoch": self._best_epoch,
            "kept_epoch": self._kept_epoch,
            "weights": self._weights,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that ``state_dict`` returned; all of it is checked before any of it is used.

        Raises:
            InvalidState: a value does not belong to this network, configuration and data set.
        """
        saved = fields(state, self.state_dict(), "the state")
        epoch = count(saved["epoch"], "the epoch", 1, self._epochs + 1)
        records = enumerate(_list(saved["history"], epoch - 1), 1)
        history = [_record(each, number, self._order.steps(number)) for number, each in records]
        accuracy, loss = _list(saved["best"], 2)
        best = number(accuracy, "the best accuracy", -1.0, 1.0), number(loss, "the best loss", -_LARGEST, math.inf)
        if (best == _WORST) != (epoch == 1):
            raise InvalidState(f"the best figures are {best}, and {epoch - 1} epochs are done")
        chosen = [count(saved[name], name, min(1, epoch - 1), epoch - 1) for name in ("best_epoch", "kept_epoch")]
        like = self._stepper.evaluated.state_dict() if epoch > 1 else {}
        finite = [name for name, _ in self._stepper.evaluated.named_parameters()] if epoch > 1 else []
        kept = tensors(saved["weights"], like, "the weights that were kept", finite)
        draws = tensor(saved["draws"], self._draws.get_state(), "the state of the random numbers")
        before = self._order.steps(epoch - 1)
        self._stepper.load_state_dict(saved["stepper"], done=before)
        begun = self._stepper.steps_done > before
        if self._stepper.steps_done > before + (self._order.steps_of(epoch) if epoch <= self._epochs else 0):
            raise InvalidState(
                f"{self._stepper.steps_done} steps are done, which are more than those of {epoch} epochs"
            )
        self._order.load_state_dict(saved["order"], epoch=epoch, begun=begun)
        self._draws.set_state(draws)
        self._epoch, self._history, self._best = epoch, history, best
        self._weights = {name: value.contiguous() for name, value in kept.items()}
        self._best_epoch, self._kept_epoch = chosen

    def _fit_epoch(self, on_progress: Callable[[Progress], None], state: StateFile | None) -> None:
        stepper = self._stepper
        stepper.train()
        self._order.begin_epoch()
        batches = self._order.batches(stepper.steps_done_of_epoch)
        shares = [self._group.share(rows) for rows in batches]
        for rows, (inputs, labels) in zip(batches, self._train.batches(shares), strict=True):
            self._order.note(rows, stepper.step(inputs, labels))
            if stepper.due():
                self._report(on_progress)
            self._write(state)

    def _judge_epoch(self, on_progress: Callable[[Progress], None]) -> Record:
        stepper, epoch = self._stepper, self._epoch
        train_loss, train_accuracy = stepper.epoch_means()
        accuracy, loss = self._validated()
        stepper.require_sound()
        if not math.isfinite(loss):
            raise Diverged(f"The loss became {loss} on the validation split", stepper.steps_done, stepper.rate)
        seconds, steps = round(stepper.seconds, 3), stepper.steps_done
        figures = (epoch, steps, stepper.rate, train_loss, train_accuracy, loss, accuracy, seconds)
        record = dict(zip(_RECORDED, figures, strict=True))
        self._history.append(record)
        better = (accuracy, -loss) > (self._best[0], -self._best[1])
        if better:
            self._best, self._best_epoch = (accuracy, loss), epoch
        if better or self._config.keep == "last":
            self._weights, self._kept_epoch = _contiguous_copy(stepper.evaluated), epoch
        self._report(on_progress, accuracy)
        return record

    def _validated(self) -> tuple[float, float]:
        """Return accuracy and loss on the validation split, computed in the leading process and sent to the others."""
        figures = torch.zeros(2, dtype=torch.float64, device=self._train.device)
        if self._group.leads:
            evaluation = evaluate(self._stepper.evaluated, self._validation, self._loss, guard=self._guard)
            figures = figures.new_tensor([evaluation.accuracy, evaluation.loss])
        accuracy, loss = self._group.told(figures).tolist()
        return accuracy, loss

    def _report(self, on_progress: Callable[[Progress], None], accuracy: float | None = None) -> None:
        on_progress(self._stepper.progress(self._epoch, self._epochs, accuracy))

    def _write(self, state: StateFile | None) -> None:
        if state is not None and self._group.leads and state.due() and self._stepper.is_sound():
            state.write(self.state_dict())  # else all processes raise together, at the next report

    def _out_of_patience(self) -> bool:
        patience = self._config.patience
        return patience is not None and self._epoch - 1 - self._best_epoch >= patience


def _list(found: Any, length: int) -> Sequence[Any]:
    if not isinstance(found, list | tuple) or len(found) != length:
        raise InvalidState(
            f"there are not {length} values where there have to be: the best figures, or a record per epoch"
        )
    return found


def _record(found: Any, epoch: int, steps: int) -> Record:
    """Check and return the record of one epoch, after which ``steps`` steps of the run were done."""
    where = f"the record of epoch {epoch}"
    figures = fields(found, _RECORDED, where)
    for name, value in figures.items():
        low, high = -_LARGEST if "loss" in name else 0.0, 1.0 if "accuracy" in name else _LARGEST
        number(value, f"{name} in {where}", low, high)
    if (figures["epoch"], figures["step"]) != (epoch, steps):
        raise InvalidState(f"{where} is of epoch {figures['epoch']} and step {figures['step']}, not {steps}")
    return dict(figures)


def _contiguous_copy(network: nn.Module) -> dict[str, Tensor]:
    weights = network.state_dict()
    return {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in weights.items()}
