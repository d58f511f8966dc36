"""Freeze parameters by patterns of their names."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["freeze", "learning", "patterns", "still_statistics"]


def patterns(value: Any) -> tuple[str, ...]:
    """Check a list of patterns and return it as a tuple.

    Raises:
        InputError: the value is not a list of strings.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise InputError(f"The setting freeze is {value!r}, not a list of patterns.")
    return tuple(value)


def freeze(network: "nn.Module", given: tuple[str, ...]) -> None:
    """Freeze the parameters whose names match a pattern.

    Raises:
        InputError: a pattern matches nothing, or no trainable parameter is left.
    """
    parameters = dict(network.named_parameters())
    for pattern in given:
        matching = [name for name in parameters if fnmatchcase(name, pattern)]
        if not matching:
            raise InputError(f"'{pattern}' matches no parameter; there are: {', '.join(parameters)}.")
        for name in matching:
            parameters[name].requires_grad_(False)
    if not any(True for _ in learning(network)):
        raise InputError(f"Every parameter is frozen by {', '.join(given)}: there is nothing to train.")


def learning(network: "nn.Module") -> "Iterator[nn.Parameter]":
    """Return the trainable parameters."""
    return (parameter for parameter in network.parameters() if parameter.requires_grad)


def still_statistics(network: "nn.Module", given: tuple[str, ...]) -> "tuple[nn.Module, ...]":
    """Return the normalisation layers whose running statistics are frozen, which stay in eval mode.

    A layer's statistics are frozen if all its parameters are or, if it has none, if a pattern matches its
    ``running_mean``.
    """
    return tuple(
        layer
        for name, layer in network.named_modules()
        if getattr(layer, "running_mean", None) is not None and _is_still(name, layer, given)
    )


def _is_still(name: str, layer: "nn.Module", given: tuple[str, ...]) -> bool:
    own = list(layer.parameters(recurse=False))
    if own:
        return not any(parameter.requires_grad for parameter in own)
    return any(fnmatchcase(f"{name}.running_mean".removeprefix("."), pattern) for pattern in given)
