"""What a network computes with: its own tensors that are read, and the numbers that its code holds."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..models.probe import fork_random

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn


__all__ = ["Usage", "digest", "usage_of"]

_NUMBERS = ("Tensor", "number", "Optional[number]")
"""Types of arguments for which a whole number is one to compute with, not a size or an axis."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one forward pass in eval mode reads.

    Attributes:
        tensors: parameters and buffers by name, one name for each that is shared.
        numbers: all plain numbers that operators were called with, or that are their defaults, as floats, and the
            tensors of one number that are not the network's own.
        computed: :func:`digest` of every other tensor that operators read and that does not depend on the input: made
            by the code itself, or of the network's own.
    """

    tensors: "Mapping[str, Tensor]"
    numbers: frozenset[float]
    computed: frozenset[bytes]


def usage_of(network: "nn.Module", shape: tuple[int, int, int]) -> Usage:
    """Run a network in eval mode once on zeros and see what it reads.

    Args:
        network: on the CPU.
        shape: (channels, height, width) of its input.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    read: set[int] = set()
    numbers: set[float] = set()
    beside: dict[int, Tensor] = {}
    inputs = torch.zeros(2, *shape)
    dependent = {id(inputs): inputs}

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            tensors: list[Tensor] = []
            for place, argument in enumerate(func._schema.arguments):
                value = args[place] if place < len(args) else kwargs.get(argument.name, argument.default_value)
                for each in value if isinstance(value, list | tuple) else [value]:
                    if isinstance(each, torch.Tensor):
                        tensors.append(each)
                    elif isinstance(each, float) or (type(each) is int and str(argument.type) in _NUMBERS):
                        numbers.add(float(each))
            result = func(*args, **kwargs)
            read.update(map(id, tensors))
            if any(id(each) in dependent for each in tensors):
                given = result if isinstance(result, list | tuple) else [result]
                dependent.update({id(each): each for each in given if isinstance(each, torch.Tensor)})
            beside.update({id(each): each for each in tensors if id(each) not in dependent})
            return result

    with torch.no_grad(), fork_random(), Watch():  # type: ignore[no-untyped-call]
        network(inputs)
    own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    used = {name: tensor.detach() for name, tensor in own.items() if id(tensor) in read}
    others = _others(beside.values(), list(own.values()))
    numbers |= {float(each) for each in others if each.numel() == 1 and each.is_floating_point()}
    return Usage(used, frozenset(numbers), frozenset(digest(each.detach().numpy()) for each in others))


def digest(array: "NDArray[Any]") -> bytes:
    """Digest the type and the numbers of an array in their order, whatever its shape."""
    import numpy as np

    return hashlib.sha256(array.dtype.str.encode() + np.ascontiguousarray(array).tobytes()).digest()


def _others(tensors: "Iterable[Tensor]", own: "Sequence[Tensor]") -> "list[Tensor]":
    """Return the tensors that are neither the network's own nor these in another order or shape."""
    sizes = {tensor.untyped_storage().data_ptr(): tensor.numel() for tensor in own}
    return [each for each in tensors if sizes.get(each.untyped_storage().data_ptr()) != each.numel()]
