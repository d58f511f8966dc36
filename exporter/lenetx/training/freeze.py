"""Parameters that do not learn, by patterns over their names."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["freeze", "learning", "patterns", "still_statistics"]


def patterns(value: Any) -> tuple[str, ...]:
    """Return the patterns of a list.

    Raises:
        InputError: it is no list of texts.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise InputError(f"The setting freeze is {value!r}, not a list of patterns.")
    return tuple(value)


def freeze(network: "nn.Module", given: tuple[str, ...]) -> None:
    """Let the parameters whose names match a pattern learn no more.

    Raises:
        InputError: a pattern matches nothing, or nothing is left that learns.
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
    """Return the parameters that learn."""
    return (parameter for parameter in network.parameters() if parameter.requires_grad)


def still_statistics(network: "nn.Module", given: tuple[str, ...]) -> "tuple[nn.Module, ...]":
    """Return the normalisation layers whose running statistics stay as they are, in eval mode.

    They are those whose own parameters are all frozen or, if they have none, those that a pattern matches.
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
