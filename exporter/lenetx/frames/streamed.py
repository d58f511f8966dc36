"""Stream a split that does not fit into memory: its frames are read again for every batch."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import lookup_table, planes

from ..errors import DataError
from .device_split import to_inputs
from .reader import Reader, Task

__all__ = ["StreamedSplit"]


@dataclass(frozen=True, slots=True)
class StreamedSplit:
    """A split that yields the same bits as ``DeviceSplit``, but holds only the current batches in memory.

    Attributes:
        reader: reader of all parts.
        part: number of this part.
        rows: usable rows of the part, int64[N].
        labels: int64[N] on the CPU.
        spec: defines padding and normalisation.
        device: device of the batches.
    """

    reader: Reader
    part: int
    rows: NDArray[np.int64]
    labels: Tensor
    spec: ModelSpec
    device: torch.device

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one input."""
        return self.spec.input_shape

    def batches(self, rows: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield float32[B, C, H, W] inputs and int64[B] labels for each int64[B] of row numbers on the CPU.

        Raises:
            DataError: an image can no longer be read.
        """
        chosen = list(rows)
        tables = torch.from_numpy(lookup_table(self.spec)).to(self.device)
        frames = self.reader.read([Task(self.part, self.rows[part.numpy()]) for part in chosen])
        for part, read in zip(chosen, frames, strict=True):
            if read.problems:
                raise DataError(f"{next(iter(read.problems.values()))}; it was there when the training began.")
            images = torch.from_numpy(planes(read.images, self.spec)).to(self.device)
            yield to_inputs(images, tables), self.labels[part].to(self.device)

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Return an iterator over the whole split, in batches of at most ``size``."""
        return self.batches(torch.arange(len(self)).split(size))
