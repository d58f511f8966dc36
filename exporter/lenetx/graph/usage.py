"""Find the parameters, buffers and constants that a network's output is computed from."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ..models.probe import fork_random

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn


__all__ = ["Usage", "digest", "usage_of"]

_NUMBERS = ("Tensor", "number", "Optional[number]")
"""Types of arguments for which a whole number is one to compute with, not a size or an axis."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the output of one forward pass in eval mode is computed from.

    Attributes:
        tensors: parameters and buffers by name, one name for each that is shared.
        numbers: all plain numbers that operators were called with, or that are their defaults, as floats, and the
            tensors of one number that are not the network's own.
        computed: ``digest`` of every other tensor that operators read and that does not depend on the input: made
            by the code itself, or of the network's own.
    """

    tensors: "Mapping[str, Tensor]"
    numbers: frozenset[float]
    computed: frozenset[bytes]


def usage_of(network: "nn.Module", shape: tuple[int, int, int]) -> Usage:
    """Run a network in eval mode once on zeros and see what its output is computed from.

    Args:
        network: on the CPU.
        shape: (channels, height, width) of its input.
    """
    import torch

    from ..execution.carrier import Watch

    inputs = torch.zeros(2, *shape)
    seen = _Seen(inputs)
    with torch.no_grad(), fork_random(), Watch(seen.call):
        output = network(inputs)
    calls = seen.reaching(output)
    read = {id(tensor) for call in calls for tensor in call.tensors}
    own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    used = {name: tensor.detach() for name, tensor in own.items() if id(tensor) in read}
    beside = {id(each): each for call in calls for each in call.tensors if id(each) not in seen.dependent}
    others = _others(beside.values(), list(own.values()))
    numbers = {number for call in calls for number in call.numbers}
    numbers |= {float(each) for each in others if each.numel() == 1 and each.is_floating_point()}
    return Usage(used, frozenset(numbers), frozenset(digest(each.detach().numpy()) for each in others))


class _Call(NamedTuple):
    """One call of an operator: the tensors and numbers that it reads, and the tensors that it gives or changes."""

    tensors: "list[Tensor]"
    numbers: list[float]
    results: "list[Tensor]"


class _Seen:
    """All calls of one forward pass.

    Attributes:
        dependent: the input, and what was computed from it, by ``id``.
    """

    def __init__(self, inputs: "Tensor") -> None:
        self.dependent = {id(inputs): inputs}
        self._calls: list[_Call] = []
        """What they name lives on, so that no other tensor gets its id or memory."""

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call an operator and keep what it reads and gives."""
        import torch

        tensors: list[Tensor] = []
        numbers: list[float] = []
        changed: list[Any] = []
        for place, argument in enumerate(func._schema.arguments):
            value = args[place] if place < len(args) else kwargs.get(argument.name, argument.default_value)
            parts = value if isinstance(value, list | tuple) else [value]
            tensors += [each for each in parts if isinstance(each, torch.Tensor)]
            changed += parts if argument.is_write else []
            counts = (float, int) if str(argument.type) in _NUMBERS else (float,)
            numbers += [float(each) for each in parts if type(each) in counts]
        result = func(*args, **kwargs)
        given = [*changed, *(result if isinstance(result, list | tuple) else [result])]
        results = [each for each in given if isinstance(each, torch.Tensor)]
        if any(id(each) in self.dependent for each in tensors):
            self.dependent.update({id(each): each for each in results})
        self._calls.append(_Call(tensors, numbers, results))
        return result

    def reaching(self, output: Any) -> list[_Call]:
        """Return the calls whose results the output is computed from; those that give no tensor may decide anything."""
        wanted, found = {_memory(output)}, []
        for call in reversed(self._calls):
            if not call.results or not wanted.isdisjoint(map(_memory, call.results)):
                wanted.update(map(_memory, call.tensors))
                found.append(call)
        return found[::-1]


def _memory(tensor: Any) -> int:
    """Return what a tensor has in common with its views."""
    import torch

    plain = isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided
    return (tensor.untyped_storage().data_ptr() if plain else 0) or -id(tensor)


def digest(array: "NDArray[Any]") -> bytes:
    """Digest the type and the numbers of an array in their order, whatever its shape."""
    import numpy as np

    return hashlib.sha256(array.dtype.str.encode() + np.ascontiguousarray(array).tobytes()).digest()


def _others(tensors: "Iterable[Tensor]", own: "Sequence[Tensor]") -> "list[Tensor]":
    """Return the tensors that are neither the network's own nor these in another order or shape."""
    sizes = {tensor.untyped_storage().data_ptr(): tensor.numel() for tensor in own}
    return [each for each in tensors if sizes.get(each.untyped_storage().data_ptr()) != each.numel()]
