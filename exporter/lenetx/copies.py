"""Copies of networks that hold the same tensors: what a module keeps of a batch is its own, the memory is not."""

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["in_double", "sharing"]


def sharing(network: "nn.Module") -> "nn.Module":
    """Copy a network, but none of its tensors: to replace one of the copy leaves the original as it is.

    Raises:
        Exception: whatever someone's own module raises that holds a lock or an open file.
    """
    return copy.deepcopy(network, {id(tensor): tensor for tensor in _tensors(network)})


def in_double(network: "nn.Module", single: "nn.Module", double: "nn.Module") -> "nn.Module":
    """Copy a network in float64, with the tensors of one that is in float64 already where it has them.

    Args:
        network: whose tensors are its own, or those of ``single``.
        single: in float32.
        double: the same in float64.

    Raises:
        Exception: whatever someone's own module raises that holds a lock or an open file.
    """
    twins = {id(one): other for one, other in zip(_tensors(single), _tensors(double), strict=True)}
    known = {id(each): twins[id(each)] if id(each) in twins else _doubled(each) for each in _tensors(network)}
    return copy.deepcopy(network, known)


def _doubled(tensor: "Tensor") -> "Tensor":
    from torch import nn

    if not tensor.is_floating_point():
        return tensor.clone()
    double = tensor.detach().double()
    return nn.Parameter(double, requires_grad=False) if isinstance(tensor, nn.Parameter) else double


def _tensors(network: "nn.Module") -> "Iterator[Tensor]":
    """Give parameters and buffers, each as often as it has a name: the copies of a shared buffer are not shared."""
    for _, parameter in network.named_parameters(remove_duplicate=False):
        yield parameter
    for _, buffer in network.named_buffers(remove_duplicate=False):
        yield buffer
