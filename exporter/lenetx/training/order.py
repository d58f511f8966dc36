"""Which images an epoch goes through and in which order, and the seeding of torch's own random numbers.

Source of going through the hardest only: I. Loshchilov, F. Hutter, "Online Batch Selection for Faster Training of
Neural Networks", 2015; here the ranking is by the loss that each image had when it was last seen.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from .config import TrainConfig
from .parallel import Group
from .restore import Misfit, fields, tensor, vector

__all__ = ["Order", "reseed", "seeded"]


class Order:
    """The row numbers of each epoch's batches, which only its draws and what was learnt before decide.

    Args:
        images: in the training split.
        config: how; its batch size is a number.
        draws: the random numbers.
        group: the processes that share each batch.
        device: where losses are given.
    """

    def __init__(
        self, images: int, config: TrainConfig, draws: torch.Generator, group: Group, device: torch.device
    ) -> None:
        assert config.batch_size is not None, "the data set's default is filled in before"
        self._images, self._batch_size, self._draws, self._group = images, config.batch_size, draws, group
        self._hardest = None if config.hardest is None else max(round(images * config.hardest), config.batch_size)
        self._losses = torch.full((images if config.hardest else 0,), math.inf, device=device)
        self._rows = torch.empty(0, dtype=torch.int64)

    def steps(self, epochs: int) -> int:
        """Count the steps of the first so many epochs."""
        return self.steps_of(1) + (epochs - 1) * self.steps_of(2) if epochs else 0

    def steps_of(self, epoch: int) -> int:
        """Count the steps of one epoch, which are numbered from 1."""
        images = self._images if self._hardest is None or epoch == 1 else self._hardest
        return images // self._batch_size

    def begin_epoch(self) -> None:
        """Draw the order of a new epoch, unless it is drawn already."""
        if len(self._rows):
            return
        rows = torch.arange(self._images)
        if self._hardest is not None and bool(self._losses.isfinite().any()):
            rows = self._losses.topk(self._hardest).indices.cpu().sort().values
        rows = rows[torch.randperm(len(rows), generator=self._draws)]
        self._rows = rows[: len(rows) // self._batch_size * self._batch_size]

    def batches(self, done: int) -> list[Tensor]:
        """Return the rows, int64[B], of each batch after the first ``done`` ones."""
        return list(self._rows.split(self._batch_size)[done:])

    def note(self, rows: Tensor, losses: Tensor) -> None:
        """Keep the losses of a batch, whose rows are int64[B]: float32 of this process's share of it."""
        if self._hardest is not None:
            self._losses[rows.to(self._losses.device)] = self._group.whole(losses, len(rows))

    def end_epoch(self) -> None:
        """Forget the order."""
        self._rows = self._rows[:0]

    def state_dict(self) -> dict[str, Any]:
        """Return the order of the epoch and the losses that were seen."""
        return {"rows": self._rows, "losses": self._losses}

    def load_state_dict(self, state: Mapping[str, Any], *, epoch: int, begun: bool) -> None:
        """Go on from what ``state_dict`` gave.

        Args:
            state: what was saved.
            epoch: that goes on, from 1.
            begun: whether a step of it is done, so that its order is drawn.

        Raises:
            Misfit: it is not the order of such an epoch.
        """
        saved = fields(state, self.state_dict(), "the order")
        losses = tensor(saved["losses"], self._losses, "the losses of the images")
        length = self.steps_of(epoch) * self._batch_size
        if not begun and isinstance(saved["rows"], Tensor) and not saved["rows"].numel():
            length = 0
        rows = vector(saved["rows"], torch.int64, "the order of the images", length)
        if length and not (int(rows.min()) >= 0 and int(rows.max()) < self._images and len(rows.unique()) == length):
            raise Misfit("the order of the images does not name each at most once")
        self._rows, self._losses = rows, losses


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Let the generators of the CPU and of ``device`` start at a seed; the caller's state is as it was afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        reseed(seed, device)
        yield


def reseed(seed: int, device: torch.device) -> None:
    """Set the generators of the CPU and of ``device``; ``torch.manual_seed`` notes a stack trace at each call."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
