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
"""Argument types for which an integer is a number to compute with, not a size or an axis."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The tensors and numbers that the output of one forward pass in eval mode is computed from.

    Attributes:
        tensors: parameters and buffers by name; a shared one has one name.
        numbers: all plain numbers among the arguments of operators, defaults included, as floats; and one-element
            float tensors that are not parameters or buffers.
        computed: ``digest`` of every other tensor that operators read and that does not depend on the input: created
            by the code, or computed from parameters and buffers.
    """

    tensors: "Mapping[str, Tensor]"
    numbers: frozenset[float]
    computed: frozenset[bytes]


def usage_of(network: "nn.Module", shape: tuple[int, int, int]) -> Usage:
    """Run a network in eval mode once on zeros, and find what its output is computed from.

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
    """One call of an operator: the tensors and numbers that it reads, and the tensors that it returns or changes."""

    tensors: "list[Tensor]"
    numbers: list[float]
    results: "list[Tensor]"


class _Seen:
    """Records all operator calls of one forward pass.

    Attributes:
        dependent: the input and all tensors computed from it, by ``id``.
    """

    def __init__(self, inputs: "Tensor") -> None:
        self.dependent = {id(inputs): inputs}
        self._calls: list[_Call] = []
        """Keeps their tensors alive, so that no ``id`` or memory is reused."""

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call an operator and record what it reads and returns."""
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
        """Return the calls that the output is computed from.

        Calls that return no tensor are included, because any later step may depend on them.
        """
        wanted, found = {_memory(output)}, []
        for call in reversed(self._calls):
            if not call.results or not wanted.isdisjoint(map(_memory, call.results)):
                wanted.update(map(_memory, call.tensors))
                found.append(call)
        return found[::-1]


def _memory(tensor: Any) -> int:
    """Return an identifier of a tensor's memory, which its views share."""
    import torch

    plain = isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided
    return (tensor.untyped_storage().data_ptr() if plain else 0) or -id(tensor)


def digest(array: "NDArray[Any]") -> bytes:
    """Return the SHA-256 digest of an array's dtype and its numbers in order, regardless of its shape."""
    import numpy as np

    return hashlib.sha256(array.dtype.str.encode() + np.ascontiguousarray(array).tobytes()).digest()


def _others(tensors: "Iterable[Tensor]", own: "Sequence[Tensor]") -> "list[Tensor]":
    """Return the tensors that are neither in ``own`` nor a transpose or reshape of one that is."""
    sizes = {tensor.untyped_storage().data_ptr(): tensor.numel() for tensor in own}
    return [each for each in tensors if sizes.get(each.untyped_storage().data_ptr()) != each.numel()]
