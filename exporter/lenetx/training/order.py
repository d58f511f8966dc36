"""Which images an epoch goes through, and in which order.

Source of going through the hardest only: I. Loshchilov, F. Hutter, "Online Batch Selection for Faster Training of
Neural Networks", 2015; here the ranking is by the loss that each image had when it was last seen.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .config import TrainConfig
from .parallel import Group

__all__ = ["Order"]


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
        """Count the steps of a run of so many epochs."""
        later = self._images if self._hardest is None else self._hardest
        return self._images // self._batch_size + (epochs - 1) * (later // self._batch_size)

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
        """Give the rows, int64[B], of each batch after the first ``done`` ones."""
        return list(self._rows.split(self._batch_size)[done:])

    def note(self, rows: Tensor, losses: Tensor) -> None:
        """Keep the losses of a batch, whose rows are int64[B]: float32 of this process's share of it."""
        if self._hardest is not None:
            self._losses[rows.to(self._losses.device)] = self._group.whole(losses, len(rows))

    def end_epoch(self) -> None:
        """Forget the order."""
        self._rows = self._rows[:0]

    def state_dict(self) -> dict[str, Any]:
        """Give the order of the epoch and the losses that were seen."""
        return {"rows": self._rows, "losses": self._losses}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self._rows = state["rows"]
        self._losses = state["losses"].to(self._losses.device)
