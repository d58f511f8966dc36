"""Keep a split on the device as uint8 images, and convert whole batches of them to network inputs."""

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
    """A split as the loop uses it, in memory or streamed."""

    def __len__(self) -> int:
        """Return the number of images."""

    @property
    def device(self) -> torch.device:
        """Device of the batches."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one input."""

    def batches(self, rows: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Return an iterator over inputs float32[B, C, H, W] and labels int64[B].

        Args:
            rows: row numbers of each batch, int64[B] on the CPU.
        """

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Return an iterator over the whole split, in batches of at most ``size``."""


@dataclass(frozen=True, slots=True)
class DeviceSplit:
    """A split in memory.

    Attributes:
        images: uint8[N, C, H, W] in the size of the network's input.
        labels: int64[N].
        tables: the runtime's lookup tables from levels to inputs, float32[C, 256].
        line: factor and offset per channel that reproduce the tables bit for bit, float64[2, C]; ``None`` if none do.
    """

    images: Tensor
    labels: Tensor
    tables: Tensor
    line: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """Device of the images and batches."""
        return self.images.device

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one input."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def batches(self, rows: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Return an iterator over a ``batch`` for each int64[B] of row numbers on the CPU."""
        return (self.batch(part.to(self.device)) for part in rows)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return float32[B, C, H, W] inputs and int64[B] labels for int64[B] row numbers on the device.

        The inputs are bit-identical to those of ``lenetx_runtime.preprocess.normalise``.
        """
        return self._inputs(self.images.index_select(0, rows)), self.labels.index_select(0, rows)

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the whole split in batches of at most ``size``."""
        for images, labels in zip(self.images.split(size), self.labels.split(size), strict=True):
            yield self._inputs(images), labels

    def _inputs(self, images: Tensor) -> Tensor:
        return to_inputs(images, self.tables) if self.line is None else _on_the_line(images, self.line)


def to_inputs(images: Tensor, tables: Tensor) -> Tensor:
    """Return inputs float32[B, C, H, W] for images uint8[B, C, H, W] and lookup tables float32[C, 256]."""
    rows = images.int()
    channels, levels = tables.shape
    if channels > 1:
        rows += levels * torch.arange(channels, dtype=torch.int32, device=rows.device).view(channels, 1, 1)
    return tables.flatten().index_select(0, rows.flatten()).view(images.shape)


def to_device(split: Split, spec: ModelSpec, device: torch.device) -> DeviceSplit:
    """Move a split of frames to the device, padded as by the runtime."""
    arrays = (planes(split.images, spec), split.labels, lookup_table(spec))
    images, labels, tables = (torch.from_numpy(array).to(device) for array in arrays)
    return DeviceSplit(images, labels, tables, _line(spec, tables))


def _line(spec: ModelSpec, tables: Tensor) -> Tensor | None:
    """Return factor and offset per channel, float64[2, C], if they reproduce the tables bit for bit, else ``None``.

    Multiplying and adding takes half the time of a lookup.
    """
    factors = [spec.scale / std for std in spec.std]
    offsets = [-mean / std for mean, std in zip(spec.mean, spec.std, strict=True)]
    line = torch.tensor([factors, offsets], dtype=torch.float64, device=tables.device)
    levels = torch.arange(256, dtype=torch.uint8, device=tables.device).view(256, 1, 1, 1)
    every = _on_the_line(levels.expand(256, len(tables), 1, 1), line)
    return line if torch.equal(every[:, :, 0, 0].t(), tables) else None


def _on_the_line(images: Tensor, line: Tensor) -> Tensor:
    """Return inputs float32[B, C, H, W] for images uint8[B, C, H, W] by factor and offset."""
    factor, offset = line[:, :, None, None].unbind()
    return images.double().mul_(factor).add_(offset).float()
