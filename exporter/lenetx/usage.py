"""What a network computes with: its own tensors that are read, and the numbers that its code holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .folding import fold
from .models.probe import fork_random

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .checkpoint import Checkpoint

__all__ = ["Usage", "exported_network", "usage_of"]

_NUMBERS = ("Tensor", "number", "Optional[number]")
"""Types of arguments for which a whole number is one to compute with, not a size or an axis."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one forward pass in eval mode reads.

    Attributes:
        tensors: parameters and buffers by name, one name for each that is shared.
        numbers: all plain numbers that operators were called with, or that are their defaults, as floats.
    """

    tensors: "Mapping[str, Tensor]"
    numbers: frozenset[float]


def exported_network(checkpoint: "Checkpoint") -> "nn.Module":
    """Give the network that every format writes: the checkpoint's in eval mode, its batch norms folded."""
    return fold(checkpoint.module(), checkpoint.spec.input_shape)


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

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            for place, argument in enumerate(func._schema.arguments):
                value = args[place] if place < len(args) else kwargs.get(argument.name, argument.default_value)
                for each in value if isinstance(value, list | tuple) else [value]:
                    if isinstance(each, torch.Tensor):
                        read.add(id(each))
                    elif isinstance(each, float) or (type(each) is int and str(argument.type) in _NUMBERS):
                        numbers.add(float(each))
            return func(*args, **kwargs)

    with torch.no_grad(), fork_random(), Watch():  # type: ignore[no-untyped-call]
        network(torch.zeros(2, *shape))
    own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    return Usage({name: tensor.detach() for name, tensor in own.items() if id(tensor) in read}, frozenset(numbers))
