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
        """Return float32[B, C, H, W] inputs and int64[B] labels for each int64[B] of row numbers on the CPU."""

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Return the whole split once, in batches of at most ``size``."""


@dataclass(frozen=True, slots=True)
class DeviceSplit:
    """A split in memory.

    Attributes:
        images: uint8[N, C, H, W] of the network's size.
        labels: int64[N].
        tables: the runtime's, float32[C, 256].
        line: float64[2, C], a factor and an offset that give the numbers of the tables, or ``None``.
    """

    images: Tensor
    labels: Tensor
    tables: Tensor
    line: Tensor | None = None

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
        """Return a ``batch`` for each int64[B] of row numbers on the CPU."""
        return (self.batch(part.to(self.device)) for part in rows)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return float32[B, C, H, W] inputs and int64[B] labels for int64[B] row numbers.

        The inputs have the same bits as ``lenetx_runtime.preprocess.normalise`` gives.
        """
        return self._inputs(self.images.index_select(0, rows)), self.labels.index_select(0, rows)

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Return the whole split once, in batches of at most ``size``."""
        for images, labels in zip(self.images.split(size), self.labels.split(size), strict=True):
            yield self._inputs(images), labels

    def _inputs(self, images: Tensor) -> Tensor:
        return to_inputs(images, self.tables) if self.line is None else _on_the_line(images, self.line)


def to_inputs(images: Tensor, tables: Tensor) -> Tensor:
    """Return float32[B, C, H, W] for uint8[B, C, H, W] and the runtime's tables float32[C, 256]."""
    rows = images.int()
    channels, levels = tables.shape
    if channels > 1:
        rows += levels * torch.arange(channels, dtype=torch.int32, device=rows.device).view(channels, 1, 1)
    return tables.flatten().index_select(0, rows.flatten()).view(images.shape)


def to_device(split: Split, spec: ModelSpec, device: torch.device) -> DeviceSplit:
    """Lay a split on the device, its images (frames, see ``Split.framed``) padded as the runtime pads them."""
    arrays = (planes(split.images, spec), split.labels, lookup_table(spec))
    images, labels, tables = (torch.from_numpy(array).to(device) for array in arrays)
    return DeviceSplit(images, labels, tables, _line(spec, tables))


def _line(spec: ModelSpec, tables: Tensor) -> Tensor | None:
    """Return a factor and an offset per channel, float64[2, C], if they give the numbers of the tables to the bit.

    To multiply and add takes half the time of looking up.
    """
    factors = [spec.scale / std for std in spec.std]
    offsets = [-mean / std for mean, std in zip(spec.mean, spec.std, strict=True)]
    line = torch.tensor([factors, offsets], dtype=torch.float64, device=tables.device)
    levels = torch.arange(256, dtype=torch.uint8, device=tables.device).view(256, 1, 1, 1)
    every = _on_the_line(levels.expand(256, len(tables), 1, 1), line)
    return line if torch.equal(every[:, :, 0, 0].t(), tables) else None


def _on_the_line(images: Tensor, line: Tensor) -> Tensor:
    """Return float32[B, C, H, W] for uint8[B, C, H, W]."""
    factor, offset = line[:, :, None, None].unbind()
    return images.double().mul_(factor).add_(offset).float()
