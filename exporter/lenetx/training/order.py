"""Choose and order the images of each epoch, and seed torch's random number generators.

Source of training on the hardest images: I. Loshchilov, F. Hutter, "Online Batch Selection for Faster Training of
Neural Networks", 2015; here images are ranked by the loss that they had when they were last seen.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from .config import TrainConfig
from .parallel import Group
from .state_checks import InvalidState, fields, tensor, vector

__all__ = ["Order", "reseed", "seeded"]


class Order:
    """Row numbers of each epoch's batches, which depend only on the random draws and the losses so far.

    Args:
        images: number of images in the training split.
        config: configuration; its batch size is not ``None``.
        draws: random number generator, on the CPU.
        group: processes that share each batch.
        device: device of the losses.
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
        """Return the number of steps in the first ``epochs`` epochs."""
        return self.steps_of(1) + (epochs - 1) * self.steps_of(2) if epochs else 0

    def steps_of(self, epoch: int) -> int:
        """Return the number of steps in one epoch; epochs are numbered from 1."""
        images = self._images if self._hardest is None or epoch == 1 else self._hardest
        return images // self._batch_size

    def begin_epoch(self) -> None:
        """Draw the order of a new epoch, unless it was restored from a saved state."""
        if len(self._rows):
            return
        rows = torch.arange(self._images)
        if self._hardest is not None and bool(self._losses.isfinite().any()):
            rows = self._losses.topk(self._hardest).indices.cpu().sort().values
        rows = rows[torch.randperm(len(rows), generator=self._draws)]
        self._rows = rows[: len(rows) // self._batch_size * self._batch_size]

    def batches(self, done: int) -> list[Tensor]:
        """Return the rows, int64[B], of each batch after the first ``done`` batches."""
        return list(self._rows.split(self._batch_size)[done:])

    def note(self, rows: Tensor, losses: Tensor) -> None:
        """Record the losses of a batch, to rank the images.

        Args:
            rows: rows of the whole batch, int64[B].
            losses: float32, one per image of this process's share.
        """
        if self._hardest is not None:
            self._losses[rows.to(self._losses.device)] = self._group.whole(losses, len(rows))

    def end_epoch(self) -> None:
        """Discard the order of the epoch."""
        self._rows = self._rows[:0]

    def state_dict(self) -> dict[str, Any]:
        """Return the order of the current epoch and the latest loss of each image."""
        return {"rows": self._rows, "losses": self._losses}

    def load_state_dict(self, state: Mapping[str, Any], *, epoch: int, begun: bool) -> None:
        """Continue from a state that ``state_dict`` returned.

        Args:
            state: the saved state.
            epoch: the epoch to continue, from 1.
            begun: whether any of its steps is done; if so, its order must be in the state.

        Raises:
            InvalidState: the state is not the order of such an epoch.
        """
        saved = fields(state, self.state_dict(), "the order")
        losses = tensor(saved["losses"], self._losses, "the losses of the images")
        length = self.steps_of(epoch) * self._batch_size
        if not begun and isinstance(saved["rows"], Tensor) and not saved["rows"].numel():
            length = 0
        rows = vector(saved["rows"], torch.int64, "the order of the images", length)
        if length and not (int(rows.min()) >= 0 and int(rows.max()) < self._images and len(rows.unique()) == length):
            raise InvalidState("the order of the images does not name each at most once")
        self._rows, self._losses = rows, losses


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the generators of the CPU and of ``device``, and restore the caller's random state on exit."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        reseed(seed, device)
        yield


def reseed(seed: int, device: torch.device) -> None:
    """Seed the generators of the CPU and of ``device``; ``torch.manual_seed`` records a stack trace at each call."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
