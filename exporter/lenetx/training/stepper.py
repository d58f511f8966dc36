"""Run optimisation steps, average the weights, and collect the figures of the current epoch."""

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ..models.load_into import load_into
from .augment import Augmenter
from .config import TrainConfig
from .freeze import learning, still_statistics
from .guard import guard_of
from .losses import training_loss
from .optimizers import optimizer, schedule
from .order import reseed
from .parallel import ALONE, Group
from .progress import Diverged, Progress
from .state_checks import InvalidState, count, fields, number, optimizer_state, tensors, vector

__all__ = ["Stepper"]

_STEPS_PER_REPORT = 20
_LONGEST = 1e10
"""Maximum plausible duration of a run in seconds: three centuries."""
_Tensors = list[Tensor] | tuple[Tensor, ...]


class Stepper:
    """The optimizer, its schedule, and the losses, hits and learning rates of the current epoch.

    Args:
        network: trained in place.
        config: configuration; its batch size is not ``None``.
        steps: number of steps of the whole run.
        augmenter: augments the inputs; ``None`` for no augmentation.
        group: processes that share each batch.
    """

    def __init__(
        self,
        network: nn.Module,
        config: TrainConfig,
        steps: int,
        augmenter: Augmenter | None,
        group: Group = ALONE,
    ) -> None:
        assert config.batch_size is not None, "the data set's default is filled in before"
        self._network, self._config, self._augmenter, self._group = network, config, augmenter, group
        self._guard = guard_of(config, group)
        self._still = still_statistics(network, config.freeze)
        self._trained = group.wrap(network, next(network.parameters()).device)
        self._loss, self._reduction = training_loss(config), "mean" if config.hardest is None else "none"
        self._optimizer = optimizer(config, learning(network))
        self._schedule = schedule(config, self._optimizer, steps)
        self._average = (
            AveragedModel(network, multi_avg_fn=_average_with(config.ema), use_buffers=True) if config.ema else None
        )
        self._batch_size, self._step, self._steps = config.batch_size, 0, steps
        self._losses: list[Tensor] = []
        self._hits: list[Tensor] = []
        self._rates: list[float] = []
        self._start = time.perf_counter()

    @property
    def evaluated(self) -> nn.Module:
        """The network to validate and keep: that of the averaged weights if ``ema`` is set."""
        return self._network if self._average is None else self._average.module

    @property
    def steps_done(self) -> int:
        """Number of steps done in the whole run."""
        return self._step

    @property
    def steps_done_of_epoch(self) -> int:
        """Number of steps done in the current epoch."""
        return len(self._losses)

    @property
    def seconds(self) -> float:
        """Duration of the run in seconds, without the time between an interruption and its resumption."""
        return time.perf_counter() - self._start

    @property
    def rate(self) -> float:
        """The learning rate of the latest step."""
        return self._rates[-1]

    def train(self) -> None:
        """Put the network into training mode, except for layers with frozen statistics."""
        self._network.train()
        for layer in self._still:
            layer.eval()

    def begin_epoch(self) -> None:
        """Discard the losses, hits and learning rates of the previous epoch."""
        self._losses, self._hits, self._rates = [], [], []

    def step(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Make one optimisation step.

        Args:
            inputs: float32[B, C, H, W], this process's share of a batch.
            labels: int64[B].

        Returns:
            The losses before the step: float32[B] if ``hardest`` is configured, else their mean, a scalar.
        """
        reseed(self._seed(), inputs.device)
        if self._augmenter is not None:
            inputs = self._augmenter(inputs, self._batch_size)
        self._optimizer.zero_grad()
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self._config.amp):
            with self._guard():
                logits: Tensor = self._trained(inputs)
            losses = self._loss(logits, labels, reduction=self._reduction)
        loss = losses.mean()
        if self._group.count > 1:
            loss = loss * (len(labels) * self._group.count / self._batch_size)
        with self._guard():
            loss.backward()
        if self._config.gradient_clipping is not None:
            nn.utils.clip_grad_norm_(self._network.parameters(), self._config.gradient_clipping)
        self._rates.append(self._optimizer.param_groups[0]["lr"])
        self._optimizer.step()
        self._schedule.step()
        if self._average is not None:
            self._average.update_parameters(self._network)
        self._step += 1
        hits = (logits.detach().argmax(1) == labels).sum()
        if self._group.count > 1:
            loss, hits = self._of_all(loss.detach(), hits)
        self._losses.append(loss.detach())
        self._hits.append(hits)
        return losses.detach()

    def due(self) -> bool:
        """Return whether it is time to report progress."""
        return self._step % _STEPS_PER_REPORT == 0

    def progress(self, epoch: int, epochs: int, validation_accuracy: float | None = None) -> Progress:
        """Return the figures of this epoch's latest steps, or of all its steps if ``validation_accuracy`` is given.

        Raises:
            Diverged: a loss is NaN or infinite.
        """
        first = 0 if validation_accuracy is not None else -_STEPS_PER_REPORT
        loss, accuracy = self._means(self._losses[first:], self._hits[first:])
        return Progress(
            epoch=epoch,
            epochs=epochs,
            step=self._step,
            steps=self._steps,
            loss=loss,
            accuracy=accuracy,
            images_per_second=self._step * self._batch_size / self.seconds,
            seconds_left=self.seconds / self._step * (self._steps - self._step),
            validation_accuracy=validation_accuracy,
        )

    def epoch_means(self) -> tuple[float, float]:
        """Return mean loss and accuracy over all steps of this epoch, each measured before its step.

        Raises:
            Diverged: a loss is NaN or infinite.
        """
        return self._means(self._losses, self._hits)

    def is_sound(self) -> bool:
        """Return whether all parameters and all losses of this epoch are finite."""
        values = [*self._losses, *self._network.parameters(), *self.evaluated.parameters()]
        return all(bool(value.isfinite().all()) for value in values)

    def require_sound(self) -> None:
        """Check that all parameters and all losses of this epoch are finite.

        Raises:
            Diverged: a loss or parameter is NaN or infinite.
        """
        self._means(self._losses, self._hits)
        if not self.is_sound():
            raise Diverged("A weight became NaN or infinite", self._step, self.rate)

    def state_dict(self) -> dict[str, Any]:
        """Return the state that the next step depends on, and the figures of the current epoch."""
        return {
            "network": self._network.state_dict(),
            "average": None if self._average is None else self._average.state_dict(),
            "buffers": dict(self._network.named_buffers()),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "step": self._step,
            "losses": torch.stack(self._losses) if self._losses else torch.empty(0),
            "hits": torch.stack(self._hits) if self._hits else torch.empty(0, dtype=torch.int64),
            "rates": list(self._rates),
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: Mapping[str, Any], *, done: int) -> None:
        """Continue from a state that ``state_dict`` returned; all of it is checked before any of it is used.

        Args:
            state: the saved state.
            done: number of steps in the finished epochs.

        Raises:
            InvalidState: a value does not belong to this network and configuration.
        """
        saved = fields(state, self.state_dict(), "the stepper")
        names = [name for name, _ in self._network.named_parameters()]
        network = tensors(saved["network"], self._network.state_dict(), "the network", names)
        buffers = tensors(saved["buffers"], dict(self._network.named_buffers()), "the buffers")
        step = count(saved["step"], "the number of steps", done, self._steps)
        average = self._checked_average(saved["average"], names, step)
        by_id = {id(parameter): name for name, parameter in self._network.named_parameters()}
        moments = optimizer_state(self._config, self._optimizer, saved["optimizer"], by_id, step)
        losses = vector(saved["losses"], None, "the losses", step - done)
        hits = vector(saved["hits"], torch.int64, "the hits", step - done)
        if bool(((hits < 0) | (hits > self._batch_size)).any()):
            raise InvalidState("a batch has more hits than images")
        highest = self._config.learning_rate * (1 + 1e-9)
        if not isinstance(saved["rates"], list) or len(saved["rates"]) != step - done:
            raise InvalidState("there is not a learning rate for each step")
        rates = [number(rate, "a learning rate", 0.0, highest) for rate in saved["rates"]]
        seconds = number(saved["seconds"], "the time of the run", 0.0, _LONGEST)
        load_into(self._network, network)
        if self._average is not None:
            load_into(self._average, average)
        for name, buffer in self._network.named_buffers():  # including non-persistent ones
            buffer.copy_(buffers[name])
        self._optimizer.load_state_dict(moments)
        last = [group["lr"] for group in moments["param_groups"]]
        self._schedule.load_state_dict({"last_epoch": step, "_step_count": step + 1, "_last_lr": last})
        device = next(self._network.parameters()).device
        self._step = step
        self._losses = list(losses.to(device).unbind())
        self._hits = list(hits.to(device).unbind())
        self._rates = rates
        self._start = time.perf_counter() - seconds

    def _checked_average(self, saved: Any, names: list[str], step: int) -> dict[str, Tensor]:
        if self._average is None:
            if saved is not None:
                raise InvalidState("there is an average of the weights, which this run does not make")
            return {}
        finite = [f"module.{name}" for name in names]
        average = tensors(saved, self._average.state_dict(), "the average", finite)
        count(int(average["n_averaged"]), "the number of averaged weights", 0, step)
        return average

    def _of_all(self, loss: Tensor, hits: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean loss and number of hits of the whole batch, summed over the processes."""
        figures = self._group.total(torch.stack([loss / self._group.count, hits.to(loss.dtype)]))
        return figures[0], figures[1].round().long()

    def _seed(self) -> int:
        """Return a seed for the network's own draws in this step (dropout), so that no generator state is saved."""
        words = f"{self._config.seed} {self._step} {self._group.rank}"
        return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8])

    def _means(self, losses: list[Tensor], hits: list[Tensor]) -> tuple[float, float]:
        """Return mean loss and accuracy of some latest steps; reading them synchronises with the device."""
        values = torch.stack(losses)
        if not bool(values.isfinite().all()):
            first = int((~values.isfinite()).nonzero()[0]) - len(values)
            raise Diverged(f"The loss became {float(values[first])}", self._step + 1 + first, self._rates[first])
        return float(values.mean()), float(torch.stack(hits).sum()) / (self._batch_size * len(hits))


def _average_with(decay: float) -> Callable[[_Tensors, _Tensors, Tensor | int], None]:
    """Return an in-place exponential moving average; early in the run its decay is limited to (1 + n) / (10 + n).

    Source of that limit, which soon discards the initial weights: ``tf.train.ExponentialMovingAverage``.
    """

    @torch.no_grad()
    def update(averages: _Tensors, values: _Tensors, done: Tensor | int) -> None:
        share = 1 - min(decay, (1 + int(done)) / (10 + int(done)))
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, values, share)
        else:  # integer buffers, such as num_batches_tracked
            torch._foreach_copy_(averages, values)

    return update
