"""The optimisation loop, knowing nothing of files, data sets or terminals."""

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ..errors import LenetxError
from .evaluate import Evaluation, evaluate
from .progress import Progress
from .tensors import DeviceSplit

__all__ = ["History", "fit"]

_STEPS_PER_REPORT = 20
_WARM_UP = 0.2
"""Share of the run in which the one-cycle learning rate rises."""
_FEWEST_STEPS = 6
"""Of a one-cycle schedule: with five, of which the one-fifth that rises is one, torch divides by zero."""

History = list[dict[str, float]]


def fit(
    network: nn.Module,
    train: DeviceSplit,
    validation: DeviceSplit,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    on_progress: Callable[[Progress], None],
) -> tuple[dict[str, Tensor], int, History]:
    """Train in place; give the weights of the epoch that validation chose, its number, and a record per epoch.

    Method: Adam with a one-cycle learning rate (L. N. Smith, N. Topin, "Super-Convergence", 2018). The epoch with
    the highest validation accuracy is chosen, the lower validation loss deciding between equals.

    Raises:
        LenetxError: the loss became NaN or infinite.
    """
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # pooling is far faster so
    run = _Run(network, batch_size, learning_rate, steps=len(train) // batch_size * epochs)
    order = torch.Generator().manual_seed(seed)
    history: History = []
    best: Evaluation | None = None
    chosen: dict[str, Tensor] = {}
    chosen_epoch = 0
    for epoch in range(1, epochs + 1):
        network.train()
        run.begin_epoch()
        for rows in _batches(len(train), batch_size, order):
            run.step(*train.batch(rows.to(train.labels.device)))
            if run.due():
                on_progress(run.progress(epoch, epochs))
        train_loss, train_accuracy = run.epoch_means()
        judged = evaluate(network, validation)
        run.require_finite(judged.loss)
        history.append(
            {
                "epoch": epoch,
                "train_loss": train_loss,
                "train_accuracy": train_accuracy,
                "validation_loss": judged.loss,
                "validation_accuracy": judged.accuracy,
            }
        )
        if best is None or (judged.accuracy, -judged.loss) > (best.accuracy, -best.loss):
            best, chosen, chosen_epoch = judged, _contiguous_copy(network), epoch
        on_progress(run.progress(epoch, epochs, judged.accuracy))
    return chosen, chosen_epoch, history


def _contiguous_copy(network: nn.Module) -> dict[str, Tensor]:
    weights = network.state_dict()
    return {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in weights.items()}


def _batches(count: int, size: int, order: torch.Generator) -> Iterator[Tensor]:
    permutation = torch.randperm(count, generator=order)
    return iter(permutation[: count // size * size].split(size))


class _Run:
    """The optimizer, its schedule and the running figures."""

    def __init__(self, network: nn.Module, batch_size: int, learning_rate: float, steps: int) -> None:
        self._network = network
        self._optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, learning_rate, total_steps=max(steps, _FEWEST_STEPS), pct_start=_WARM_UP
        )
        self._batch_size, self._step, self._steps = batch_size, 0, steps
        self._losses: list[Tensor] = []
        self._hits: list[Tensor] = []
        self._start = time.perf_counter()

    def begin_epoch(self) -> None:
        """Forget the losses and hits of the epoch before."""
        self._losses, self._hits = [], []

    def step(self, inputs: Tensor, labels: Tensor) -> None:
        self._optimizer.zero_grad()
        logits = self._network(inputs)
        loss = nn.functional.cross_entropy(logits, labels)
        loss.backward()
        self._optimizer.step()
        self._schedule.step()
        self._step += 1
        self._losses.append(loss.detach())
        self._hits.append((logits.detach().argmax(1) == labels).sum())

    def due(self) -> bool:
        return self._step % _STEPS_PER_REPORT == 0

    def progress(self, epoch: int, epochs: int, validation_accuracy: float | None = None) -> Progress:
        """Read the figures of the latest steps of this epoch."""
        loss, accuracy = self._means(self._losses[-_STEPS_PER_REPORT:], self._hits[-_STEPS_PER_REPORT:])
        seconds = time.perf_counter() - self._start
        return Progress(
            epoch=epoch,
            epochs=epochs,
            step=self._step,
            steps=self._steps,
            loss=loss,
            accuracy=accuracy,
            images_per_second=self._step * self._batch_size / seconds,
            seconds_left=seconds / self._step * (self._steps - self._step),
            validation_accuracy=validation_accuracy,
        )

    def epoch_means(self) -> tuple[float, float]:
        """Give loss and accuracy over all steps of this epoch, each as it was before its step."""
        return self._means(self._losses, self._hits)

    def _means(self, losses: list[Tensor], hits: list[Tensor]) -> tuple[float, float]:
        """Read the figures of some steps: the only place where the device is waited for."""
        loss = float(torch.stack(losses).mean())
        self.require_finite(loss)
        return loss, float(torch.stack(hits).sum()) / (self._batch_size * len(hits))

    def require_finite(self, loss: float) -> None:
        """Raise LenetxError if a loss is NaN or infinite."""
        if not loss < float("inf"):
            raise LenetxError(
                f"The loss became {loss} by step {self._step} at learning rate "
                f"{self._optimizer.param_groups[0]['lr']:.3g}: nothing was written; try a lower --lr."
            )
