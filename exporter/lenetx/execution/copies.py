"""Copy networks so that the copies share their tensors but not the state that a module keeps between calls."""

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["copy_or_rebuild", "copy_sharing_tensors"]


def copy_sharing_tensors(network: "nn.Module") -> "nn.Module":
    """Return a copy that shares the network's tensors; replacing a tensor of the copy leaves the original unchanged.

    Raises:
        Exception: whatever a custom module raises that holds a lock or an open file.
    """
    return copy.deepcopy(network, {id(tensor): tensor for tensor in _tensors(network)})


def copy_or_rebuild(network: "nn.Module", build: "Callable[[], nn.Module]") -> "nn.Module":
    """Return a copy that shares the tensors, or a newly built network if the module cannot be copied."""
    try:
        return copy_sharing_tensors(network)
    except Exception:  # whatever a custom module raises that holds a lock or an open file
        return build()


def _tensors(network: "nn.Module") -> "Iterator[Tensor]":
    """Yield parameters and buffers, once per name."""
    for _, parameter in network.named_parameters(remove_duplicate=False):
        yield parameter
    for _, buffer in network.named_buffers(remove_duplicate=False):
        yield buffer
