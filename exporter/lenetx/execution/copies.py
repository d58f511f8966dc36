"""Copies of networks that hold the same tensors: what a module keeps of a batch is its own, the memory is not."""

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["another", "sharing"]


def sharing(network: "nn.Module") -> "nn.Module":
    """Copy a network, but none of its tensors: to replace one of the copy leaves the original as it is.

    Raises:
        Exception: whatever someone's own module raises that holds a lock or an open file.
    """
    return copy.deepcopy(network, {id(tensor): tensor for tensor in _tensors(network)})


def another(network: "nn.Module", build: "Callable[[], nn.Module]") -> "nn.Module":
    """Return a copy that shares the tensors, or a network built anew where the module cannot be copied."""
    try:
        return sharing(network)
    except Exception:  # whatever a custom module raises that holds a lock or an open file
        return build()


def _tensors(network: "nn.Module") -> "Iterator[Tensor]":
    """Return parameters and buffers, each as often as it has a name: the copies of a shared buffer are not shared."""
    for _, parameter in network.named_parameters(remove_duplicate=False):
        yield parameter
    for _, buffer in network.named_buffers(remove_duplicate=False):
        yield buffer
