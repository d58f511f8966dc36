"""Read the network that an artifact's weights, operators and layers are compared with."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..execution.float64 import Float64Network
from ..formats.network import Network
from ..graph import Expression, Unknown, aliases, of_tape
from ..graph.tape import record

if TYPE_CHECKING:
    from ..graph.usage import Usage

__all__ = ["View"]

_TRACED = 2
"""Batch size to record the network's operators; a batch axis of size 1 would look like any other axis of size 1."""


class View:
    """A network in which the same batch norms are folded as in the artifact.

    Args:
        network: the network.
        twins: as ``Float64Network`` takes them.
    """

    def __init__(self, network: Network, twins: Any) -> None:
        self.network, self._twins = network, twins

    @property
    def usage(self) -> "Usage":
        """The parameters, buffers and constants that a forward pass uses."""
        return self.network.usage

    @property
    def float64_network(self) -> Float64Network:
        """A new float64 copy of the network."""
        return Float64Network(self.network.module, self.network.checkpoint.title, self._twins)

    @cached_property
    def expression(self) -> tuple[Expression | Unknown, Mapping[str, str]]:
        """The network's computation in canonical form, and each tensor's canonical name."""
        import torch

        network = self.network.module
        own = {id(tensor): name for name, tensor in [*network.named_parameters(), *network.named_buffers()]}
        names = aliases(self.usage.tensors, self.usage.computed)
        with self.network.checkpoint.guard():
            tape = record(network, torch.zeros(_TRACED, *self.network.spec.input_shape), own)
        return of_tape(tape, names), names
