"""Train one network in several processes, started by torchrun.

Each process computes the gradient of its share of every batch, and torch's DistributedDataParallel averages them. The
losses of the shares are weighted so that the average is the gradient of the whole batch, even if it divides unevenly.
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
"""Words in torch's errors after another process died; not all of these errors have their own class."""
_UNUSED = "Expected to have finished reduction"
"""Start of torch's error about parameters that did not contribute to the loss."""


@dataclass(frozen=True, slots=True)
class Group:
    """The processes that train one network.

    Attributes:
        rank: number of this process, from 0; process 0 leads: it validates, reports and writes.
        count: number of processes.
        local_rank: number of this process on its machine, and of its GPU.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process validates, reports and writes."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """Return this process's share of the rows of a whole batch."""
        return rows if self.count == 1 else rows[self.rank :: self.count]

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Wrap a network so that its backward pass averages the gradients of all processes."""
        if self.count == 1:
            return network
        index = None if device.type == "cpu" else [device.index]
        return cast("nn.Module", nn.parallel.DistributedDataParallel(network, device_ids=index))

    def total(self, values: Tensor) -> Tensor:
        """Sum a tensor over all processes, in place, and return it."""
        if self.count > 1:
            distributed.all_reduce(values)
        return values

    def whole(self, values: Tensor, count: int) -> Tensor:
        """Return the ``count`` values of a whole batch, [count], gathered from each process's share."""
        if self.count == 1:
            return values
        together = values.new_zeros(count)
        together[self.rank :: self.count] = values
        return self.total(together)

    def told(self, values: Tensor) -> Tensor:
        """Overwrite a tensor with the leading process's values, in place, and return it."""
        if self.count > 1:
            distributed.broadcast(values, 0)
        return values


ALONE = Group()


def current() -> Group:
    """Return the group described by the environment variables of torchrun, without joining it.

    Raises:
        InputError: the variables are not numbers, or contradict each other.
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
    """Return this process's device; with several processes on ``cuda``, each uses the GPU of its local rank.

    Raises:
        InputError: one GPU is named for several processes.
        DeviceUnavailable: the device is not available.
    """
    if group.count > 1 and name.startswith("cuda:"):
        raise InputError(f"The device is {name}, but there are {group.count} processes: say cuda, for a GPU each.")
    return torch_device(f"cuda:{group.local_rank}" if group.count > 1 and name == "cuda" else name)


@contextmanager
def joined(group: Group, device: torch.device) -> Iterator[None]:
    """Connect the processes, over gloo on the CPU or nccl on GPUs, and disconnect them on exit.

    Raises:
        InputError: torchrun's variables are incomplete, or a parameter does not contribute to the logits.
        LenetxError: another process died.
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
        reason = re.sub(r"\[[^\]]*\](:\d+)?", "", str(error)).split(". ")[0]  # without torch's source locations
        raise LenetxError(
            f"Process {group.rank} of {group.count} ends, because another process of this training died "
            f"({' '.join(reason.split())}): start all of them again with --resume to continue from the last "
            "saved state."
        ) from None
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _connect(group: Group, device: torch.device) -> None:
    try:
        distributed.init_process_group("gloo" if device.type == "cpu" else "nccl")
    except ValueError as error:  # a variable of torchrun is missing
        reason = " ".join(str(error).split())
        raise InputError(
            f"Process {group.rank} of {group.count} cannot find the others ({reason}): start them with torchrun."
        ) from None
