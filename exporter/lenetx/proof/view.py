"""Read the network that an artifact's weights, operators and layers are compared with."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..execution.float64 import Float64Network
from ..formats.network import Network
from ..graph import Expression, Unknown, aliases, of_tape, ordered
from ..graph.tape import Tape, record

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
    def _tape(self) -> Tape:
        import torch

        network = self.network.module
        own = {id(tensor): name for name, tensor in [*network.named_parameters(), *network.named_buffers()]}
        with self.network.checkpoint.guard():
            return record(network, torch.zeros(_TRACED, *self.network.spec.input_shape), own)

    @cached_property
    def expression(self) -> tuple[Expression | Unknown, Mapping[str, str]]:
        """The network's computation in canonical form, and each tensor's canonical name."""
        names = aliases(self.usage.tensors, self.usage.computed)
        return of_tape(self._tape, names), names

    @cached_property
    def read(self) -> frozenset[str]:
        """The names of the weights that an operator reads, apart from those of which only something computed is read.

        All names, if the network's computation has no canonical form.
        """
        names = aliases(self.usage.tensors)
        found = of_tape(self._tape, names)
        expression = found.expression if isinstance(found, Unknown) else found
        if expression is None:
            return frozenset(self.usage.tensors)
        used = {each.attributes.get("name") for each in ordered(expression)}
        return frozenset(name for name in self.usage.tensors if names[name] in used)
