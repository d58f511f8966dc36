"""One optimisation step after the other, with the weights' average and the running figures."""

import time

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..errors import LenetxError
from .augment import Augmenter
from .config import TrainConfig
from .freeze import learning, still_statistics
from .losses import training_loss
from .optimizers import optimizer, schedule
from .progress import Progress

__all__ = ["Stepper"]

_STEPS_PER_REPORT = 20


class Stepper:
    """The optimizer, its schedule, and the losses and hits of the current epoch.

    Args:
        network: trained in place.
        config: how, its batch size being a number.
        steps: of the whole run.
        augmenter: what changes the inputs first, if anything.
    """

    def __init__(self, network: nn.Module, config: TrainConfig, steps: int, augmenter: Augmenter | None) -> None:
        assert config.batch_size is not None, "the data set's default is filled in before"
        self._network, self._config, self._augmenter = network, config, augmenter
        self._loss = training_loss(config)
        self._still = still_statistics(network, config.freeze)
        self._optimizer = optimizer(config, learning(network))
        self._schedule = schedule(config, self._optimizer, steps)
        self._average = (
            AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema), use_buffers=True)
            if config.ema
            else None
        )
        self._batch_size, self._step, self._steps = config.batch_size, 0, steps
        self._losses: list[Tensor] = []
        self._hits: list[Tensor] = []
        self._start = time.perf_counter()

    @property
    def judged(self) -> nn.Module:
        """The network that validation judges and that is kept: the average of the weights where there is one."""
        return self._network if self._average is None else self._average.module

    def begin_epoch(self) -> None:
        """Forget the losses and hits of the epoch before."""
        self._network.train()
        for layer in self._still:
            layer.eval()
        self._losses, self._hits = [], []

    def step(self, inputs: Tensor, labels: Tensor) -> None:
        """Take float32[B, C, H, W] inputs and int64[B] labels one step down."""
        if self._augmenter is not None:
            inputs = self._augmenter(inputs)
        self._optimizer.zero_grad()
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self._config.amp):
            logits = self._network(inputs)
            loss = self._loss(logits, labels)
        loss.backward()
        if self._config.gradient_clipping is not None:
            nn.utils.clip_grad_norm_(self._network.parameters(), self._config.gradient_clipping)
        self._optimizer.step()
        self._schedule.step()
        if self._average is not None:
            self._average.update_parameters(self._network)
        self._step += 1
        self._losses.append(loss.detach())
        self._hits.append((logits.detach().argmax(1) == labels).sum())

    def due(self) -> bool:
        """Say whether it is time for a report."""
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
