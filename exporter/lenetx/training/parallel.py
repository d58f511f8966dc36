"""Several processes that train one network together, as torchrun starts them.

Every process computes the gradient of its share of each batch; torch's DistributedDataParallel averages them. The
shares are weighted so that the sum is the gradient of the whole batch, however unevenly it divides.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, distributed, nn

from ..errors import InputError, LenetxError
from ..execution.devices import torch_device

__all__ = ["ALONE", "Group", "current", "device_of", "joined"]

_LOST = re.compile(r"gloo|nccl|c10d|tcpstore|process ?group", re.IGNORECASE)
"""Words of torch's errors when another process is gone; they have no class of their own."""
_UNUSED = "Expected to have finished reduction"
"""How torch begins to say that a parameter had no part in a batch."""


@dataclass(frozen=True, slots=True)
class Group:
    """The processes of one training.

    Attributes:
        rank: number of this one, from 0, which leads: it validates, reports and writes.
        count: how many there are.
        local_rank: number of this one among those of its machine, which is that of its GPU.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Return whether this process is the one that validates, reports and writes."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """Return this process's part of the rows of a whole batch."""
        return rows if self.count == 1 else rows[self.rank :: self.count]

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return the network whose backward pass averages the gradients of all processes."""
        if self.count == 1:
            return network
        index = None if device.type == "cpu" else [device.index]
        return cast("nn.Module", nn.parallel.DistributedDataParallel(network, device_ids=index))

    def total(self, values: Tensor) -> Tensor:
        """Sum a tensor over all processes, in place."""
        if self.count > 1:
            distributed.all_reduce(values)
        return values

    def whole(self, values: Tensor, count: int) -> Tensor:
        """Return the values, [B], of a whole batch of that many, from those of each process's share."""
        if self.count == 1:
            return values
        together = values.new_zeros(count)
        together[self.rank :: self.count] = values
        return self.total(together)

    def told(self, values: Tensor) -> Tensor:
        """Return what the leading process has in this tensor, in place."""
        if self.count > 1:
            distributed.broadcast(values, 0)
        return values


ALONE = Group()


def current() -> Group:
    """Return the group that the environment tells of, as torchrun sets it, without joining it.

    Raises:
        InputError: the environment contradicts itself.
    """
    try:
        count = int(os.environ.get("WORLD_SIZE", "1"))
        rank = int(os.environ.get("RANK", "0"))
        local_rank = int(os.environ.get("LOCAL_RANK", str(rank)))
    except ValueError as error:
        raise InputError(f"WORLD_SIZE, RANK and LOCAL_RANK are numbers that torchrun sets: {error}.") from None
    if count > 1 and "RANK" not in os.environ:
        raise InputError(f"WORLD_SIZE is {count}, but RANK is not set: start the processes with torchrun.")
    if not 0 <= rank < max(count, 1):
        raise InputError(f"RANK is {rank} and WORLD_SIZE is {count}: start the processes with torchrun.")
    return Group(rank, count, local_rank) if count > 1 else ALONE


def device_of(name: str, group: Group) -> torch.device:
    """Return this process's device: of several processes on ``cuda`` each has a GPU of its own.

    Raises:
        InputError: one GPU is named for several processes.
        DeviceUnavailable: the device is not there.
    """
    if group.count > 1 and name.startswith("cuda:"):
        raise InputError(f"The device is {name}, but there are {group.count} processes: say cuda, for a GPU each.")
    return torch_device(f"cuda:{group.local_rank}" if group.count > 1 and name == "cuda" else name)


@contextmanager
def joined(group: Group, device: torch.device) -> Iterator[None]:
    """Connect the processes, over gloo on CPU and nccl on GPU.

    Raises:
        LenetxError: another process is gone.
    """
    if group.count == 1:
        yield
        return
    try:
        _connect(group, device)
        yield
    except RuntimeError as error:
        if str(error).startswith(_UNUSED):
            raise InputError(
                "The network has parameters that have no part in its logits: one process can train it, several cannot."
            ) from None
        if not isinstance(error, distributed.DistError) and not _LOST.search(str(error)):
            raise
        reason = re.sub(r"\[[^\]]*\](:\d+)?", "", str(error)).split(". ")[0]  # without torch's own file names
        raise LenetxError(
            f"Process {group.rank} of {group.count} ends, because another one of this training is gone "
            f"({' '.join(reason.split())}): start all of them again with --resume to go on from what was saved last."
        ) from None
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _connect(group: Group, device: torch.device) -> None:
    try:
        distributed.init_process_group("gloo" if device.type == "cpu" else "nccl")
    except ValueError as error:  # a variable is missing
        reason = " ".join(str(error).split())
        raise InputError(
            f"Process {group.rank} of {group.count} cannot find the others ({reason}): start them with torchrun."
        ) from None
