"""A split on the device: uint8 images that become network inputs a whole batch at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import lookup_table, pad

from ..data import Split

__all__ = ["DeviceSplit", "to_device"]


@dataclass(frozen=True, slots=True)
class DeviceSplit:
    """Images uint8[N, H, W] of the network's size, labels int64[N], and the runtime's table float32[256]."""

    images: Tensor
    labels: Tensor
    table: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Give float32[B, 1, H, W] inputs and int64[B] labels for int64[B] row numbers.

        The inputs have the same bits as ``lenetx_runtime.preprocess.normalise`` gives.
        """
        return self._inputs(self.images.index_select(0, rows)), self.labels.index_select(0, rows)

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Give the whole split once, in batches of at most ``size``."""
        for images, labels in zip(self.images.split(size), self.labels.split(size), strict=True):
            yield self._inputs(images), labels

    def _inputs(self, images: Tensor) -> Tensor:
        count, height, width = images.shape
        return self.table.index_select(0, images.flatten().int()).view(count, 1, height, width)


def to_device(split: Split, spec: ModelSpec, device: torch.device) -> DeviceSplit:
    """Lay a split on the device, its images (frames, see :meth:`Split.framed`) padded as the runtime pads them."""
    arrays = (pad(split.images, spec), split.labels, lookup_table(spec))
    return DeviceSplit(*(torch.from_numpy(array).to(device) for array in arrays))
