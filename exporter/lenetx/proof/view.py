"""Read the network that an artifact's weights, operators and layers are compared with."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..execution.float64 import Float64Network
from ..formats.network import Network
from ..graph import Expression, Unknown, aliases, of_tape
from ..graph.tape import record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
        return self.with_weights({})

    def with_weights(self, weights: "Mapping[str, NDArray[np.float32]]") -> Float64Network:
        """Return a new float64 copy of the network, in which these arrays replace the tensors of those names."""
        import torch
        from torch import nn

        module = self.network.module
        own = dict(module.named_parameters(remove_duplicate=False))
        replaced = {id(own[name]): torch.from_numpy(array.copy()) for name, array in weights.items() if name in own}
        for name, tensor in own.items():  # tied tensors have several names
            if id(tensor) in replaced:
                path, _, last = name.rpartition(".")
                setattr(module.get_submodule(path), last, nn.Parameter(replaced[id(tensor)], requires_grad=False))
        return Float64Network(module, self.network.checkpoint.title, self._twins)

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
