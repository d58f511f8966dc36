"""Remove the wrappers that torch puts around a network to run it faster."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

__all__ = ["WRAPPERS", "unwrapped"]

WRAPPERS = ("module", "_orig_mod")
"""Names under which data parallelism and ``torch.compile`` keep the network, or a part of it, that they wrap."""


def unwrapped(module: "nn.Module") -> "nn.Module":
    """Return the network inside data-parallel and ``torch.compile`` wrappers; any other module unchanged."""
    from torch import nn

    while True:
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            module = module.module
        elif isinstance(module, nn.Module) and "_orig_mod" in module._modules:
            module = module.get_submodule("_orig_mod")
        else:
            return module
