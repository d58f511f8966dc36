"""Whether tensors are those of a network, and for how many classes."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .. import models
from ..errors import InputError
from ..models import Architecture
from ..models.probe import fork_random

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["as_float32", "build", "difference", "fitting", "head", "listed"]

_LISTED = 20
_DEFAULT_CLASSES = 10


def build(
    architecture: Architecture, shape: tuple[int, int, int], classes: int | None, tensors: "Mapping[str, Tensor]"
) -> "tuple[nn.Module, int]":
    """Build a network, in eval mode, for as many classes as the tensors are for, and give their number too.

    Args:
        architecture: the network.
        shape: (channels, height, width) of its input.
        classes: their number; told by the tensors when ``None``.
        tensors: its weights, which are not put into it here.

    Raises:
        InputError: it does not take such inputs, or as many classes.
    """
    with fork_random():
        if classes is not None:
            return architecture.build(shape, classes).eval(), classes
        network, classes = _buildable(architecture, shape, tensors)
        last = tensors.get(next(iter(head(network)), ""))
        if last is not None and last.ndim and len(last) not in (0, classes):
            network, classes = architecture.build(shape, len(last)), len(last)
        return network.eval(), classes


def _buildable(
    architecture: Architecture, shape: tuple[int, int, int], tensors: "Mapping[str, Tensor]"
) -> "tuple[nn.Module, int]":
    """Build it for 10 classes or, for a network that has its own number of them, for one that the tensors have."""
    sizes = {len(tensor) for tensor in tensors.values() if tensor.ndim and len(tensor) > 1}
    refusal = None
    for classes in (_DEFAULT_CLASSES, *sorted(sizes - {_DEFAULT_CLASSES})):
        try:
            return architecture.build(shape, classes), classes
        except InputError as error:
            refusal = refusal or error
    assert refusal is not None, "the first one was refused"
    raise refusal


def head(network: "nn.Module") -> tuple[str, ...]:
    """Give the names of the last fully connected or convolutional layer's weight and bias."""
    from torch import nn

    layers = [name for name, part in network.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)]
    own = network.state_dict()
    prefix = f"{layers[-1]}." if layers and layers[-1] else ""
    return tuple(name for name in (f"{prefix}weight", f"{prefix}bias") if layers and name in own)


def difference(given: "Mapping[str, Tensor]", expected: "Mapping[str, Tensor]") -> str:
    """Say which tensors are missing, unexpected, or of another shape or dtype; nothing if none is."""
    problems = [f"missing {name}" for name in expected if name not in given]
    problems += [f"unexpected {name}" for name in given if name not in expected]
    for name in expected.keys() & given.keys():
        if given[name].shape != expected[name].shape:
            shapes = (list(given[name].shape), list(expected[name].shape))
            problems.append(f"{name} has shape {shapes[0]} instead of {shapes[1]}")
        elif given[name].dtype != expected[name].dtype:
            problems.append(f"{name} is {given[name].dtype} instead of {expected[name].dtype}")
    more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
    return "; ".join(sorted(problems)[:_LISTED]) + more


def fitting(tensors: "Mapping[str, Tensor]") -> tuple[str, ...]:
    """Give the names of the built-in networks whose weights these could be."""
    found = []
    for name in models.names():
        architecture = models.resolve(name)
        assert architecture.input_shape is not None, "the built-in ones say what they take"
        network, _ = build(architecture, architecture.input_shape, None, tensors)
        if not difference(tensors, network.state_dict()):
            found.append(name)
    return tuple(found)


def listed(tensors: "Mapping[str, Tensor]") -> str:
    """Give names and shapes in words, the first 20 of them."""
    words = [f"{name} {list(tensor.shape)}" for name, tensor in tensors.items()]
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return ", ".join(words[:_LISTED]) + more


def as_float32(tensors: "Mapping[str, Tensor]", on_notice: Callable[[str], None]) -> "dict[str, Tensor]":
    """Give floating-point tensors in float32, others as they are.

    float16 and bfloat16 become float32 exactly; a float64 that does not is rounded, which is said.
    """
    import torch

    given = {name: each.float() if each.is_floating_point() else each for name, each in tensors.items()}
    wide = [name for name, each in tensors.items() if each.dtype == torch.float64]
    rounded = sum(int((given[name].double() != tensors[name]).sum()) for name in wide)
    if rounded:
        count = sum(tensors[name].numel() for name in wide)
        on_notice(f"{rounded:,} of {count:,} float64 weights were rounded to float32.")
    return given
