"""Remove the wrappers that torch and Lightning put around a network."""

from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["WRAPPERS", "detach_trainers", "sole_part", "unwrapped"]

WRAPPERS = ("module", "_orig_mod")
"""Names under which data parallelism and ``torch.compile`` keep the network, or a part of it, that they wrap."""

_TRACED = "_jit_is_scripting"


def unwrapped(module: "nn.Module") -> "nn.Module":
    """Return the network inside wrappers of data parallelism, averaging and ``torch.compile``; any other unchanged."""
    from torch import nn
    from torch.optim.swa_utils import AveragedModel

    while True:
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel | AveragedModel):
            module = module.module
        elif isinstance(module, nn.Module) and "_orig_mod" in module._modules:
            module = module.get_submodule("_orig_mod")
        else:
            return module


def sole_part(module: "nn.Module", name: str) -> "nn.Module":
    """Return the network inside a module without a ``forward``, as Lightning modules may be; any other unchanged.

    Args:
        module: any module.
        name: its name, for messages.

    Raises:
        InputError: it has no ``forward``, and none or several parts with parameters.
    """
    if _has_forward(module):
        return module
    parts = {key: child for key, child in module.named_children() if next(child.parameters(), None) is not None}
    if len(parts) == 1:
        return unwrapped(*parts.values())
    listed = f"pass one of its parts: {', '.join(f'.{key}' for key in parts)}" if parts else "it has no parts either"
    raise InputError(f"{name} has no forward: {listed}.")


def detach_trainers(module: "nn.Module") -> None:
    """Let a Lightning module be traced without its trainer, in place: this is Lightning's own switch for that."""
    for part in module.modules():
        if hasattr(type(part), _TRACED):
            setattr(part, _TRACED, True)


def _has_forward(module: "nn.Module") -> bool:
    """Return whether a module or its class has a ``forward`` other than those that only raise an error."""
    if "forward" in vars(module):
        return True
    owner = next(kind for kind in type(module).__mro__ if "forward" in vars(kind))
    return owner.__name__ not in ("Module", "LightningModule")
