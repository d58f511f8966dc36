"""A split on the device: uint8 images that become network inputs a whole batch at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import lookup_table, planes

from ..data import Split

__all__ = ["DeviceSplit", "Inputs", "to_device", "to_inputs"]


class Inputs(Protocol):
    """A split as the loop sees it, wherever its images lie."""

    def __len__(self) -> int:
        """Count the images."""

    @property
    def device(self) -> torch.device:
        """Where batches are given."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one input."""

    def batches(self, rows: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Give float32[B, C, H, W] inputs and int64[B] labels for each int64[B] of row numbers on the CPU."""

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Give the whole split once, in batches of at most ``size``."""


@dataclass(frozen=True, slots=True)
class DeviceSplit:
    """Images uint8[N, C, H, W] of the network's size, labels int64[N], and the runtime's tables float32[C, 256]."""

    images: Tensor
    labels: Tensor
    tables: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """Where the images lie."""
        return self.images.device

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one input."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def batches(self, rows: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Give a :meth:`batch` for each int64[B] of row numbers on the CPU."""
        return (self.batch(part.to(self.device)) for part in rows)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Give float32[B, C, H, W] inputs and int64[B] labels for int64[B] row numbers.

        The inputs have the same bits as ``lenetx_runtime.preprocess.normalise`` gives.
        """
        return to_inputs(self.images.index_select(0, rows), self.tables), self.labels.index_select(0, rows)

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Give the whole split once, in batches of at most ``size``."""
        for images, labels in zip(self.images.split(size), self.labels.split(size), strict=True):
            yield to_inputs(images, self.tables), labels


def to_inputs(images: Tensor, tables: Tensor) -> Tensor:
    """Give float32[B, C, H, W] for uint8[B, C, H, W] and the runtime's tables float32[C, 256]."""
    rows = images.int()
    channels, levels = tables.shape
    if channels > 1:
        rows += levels * torch.arange(channels, dtype=torch.int32, device=rows.device).view(channels, 1, 1)
    return tables.flatten().index_select(0, rows.flatten()).view(images.shape)


def to_device(split: Split, spec: ModelSpec, device: torch.device) -> DeviceSplit:
    """Lay a split on the device, its images (frames, see :meth:`Split.framed`) padded as the runtime pads them."""
    arrays = (planes(split.images, spec), split.labels, lookup_table(spec))
    return DeviceSplit(*(torch.from_numpy(array).to(device) for array in arrays))
