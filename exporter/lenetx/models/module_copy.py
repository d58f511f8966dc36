"""Copy a module that a program holds in memory, so that nothing done with the copy reaches the original."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..execution.copies import deep_copy
from ..execution.user_code import described, user_code
from .probe import eval_mode, fork_random
from .wrappers import unwrapped

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["copied", "drop_idle_hooks", "require_apart"]

_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_OWN = ("torch", "lenetx")


def copied(module: "nn.Module", name: str) -> "nn.Module":
    """Return a copy on the CPU, without gradients and the wrappers of ``torch.compile``, in the original's modes.

    Args:
        module: without wrappers around it; see ``unwrapped``.
        name: name of the network, for messages.

    Raises:
        InputError: the module or something stored in it cannot be copied.
    """
    from torch import nn

    try:
        found = deep_copy(module, {id(tensor): _on_cpu(tensor) for tensor in _tensors(module)})
    except Exception as error:  # the module's own code, or something stored in it, may raise anything
        raise InputError(
            f"{name} cannot be copied, and lenetx works on a copy: copy.deepcopy raised {described(error)} Keep what "
            "cannot be copied, such as locks, open files and generators, out of the module."
        ) from None
    for part in found.modules():
        for key, child in part._modules.items():
            if isinstance(child, nn.Module):
                part._modules[key] = unwrapped(child)
    return found


def drop_idle_hooks(found: "nn.Module", images: "Tensor") -> None:
    """Remove the user's forward hooks from a copy, in place, if its outputs are the same bits without them.

    They would still write into the program that registered them, as hooks that collect activations do.

    Args:
        found: the copy, on the CPU; the hooks stay if it does not take ``images``.
        images: float32[N, C, H, W], or what else it takes.
    """
    import torch

    kept = [(hooks, dict(hooks)) for part in found.modules() for hooks in (getattr(part, name) for name in _HOOKS)]
    own = [[key for key, hook in before.items() if not _module_of(hook).startswith(_OWN)] for _, before in kept]
    if not any(own):
        return
    with contextlib.suppress(Exception), eval_mode(found), fork_random(), torch.no_grad():
        with_them = found(images.clone())
        for (hooks, _), keys in zip(kept, own, strict=True):
            for key in keys:
                del hooks[key]
        if _same_bits(found(images.clone()), with_them):
            return
    for hooks, before in kept:
        hooks.clear()
        hooks.update(before)


def _module_of(hook: Any) -> str:
    return str(getattr(hook, "__module__", None) or type(hook).__module__)


def _same_bits(one: Any, other: Any) -> bool:
    import torch
    from torch.utils._pytree import tree_flatten

    (leaves, shape), (others, other_shape) = tree_flatten(one), tree_flatten(other)
    tensors = [isinstance(leaf, torch.Tensor) for leaf in (*leaves, *others)]
    return shape == other_shape and all(tensors) and all(map(torch.equal, leaves, others))


def require_apart(found: "nn.Module", original: "nn.Module", name: str, shape: tuple[int, int, int]) -> None:
    """Check that a copy does not compute with the tensors of its original.

    Args:
        found: the copy, on the CPU.
        original: the module that it was copied from; its modes are restored.
        name: name of the network, for messages.
        shape: (channels, height, width) of the input.

    Raises:
        InputError: its code reaches the original other than through ``self``, or raised an error.
    """
    import torch
    from torch.utils._pytree import tree_leaves

    from ..execution.carrier import Watch

    own = {id(tensor) for tensor in _tensors(original)}
    reached = False

    def call(func: Any, args: Any, kwargs: Any) -> Any:
        nonlocal reached
        reached = reached or any(id(leaf) in own for leaf in tree_leaves((args, kwargs)))
        return func(*args, **kwargs)

    with eval_mode(original), eval_mode(found), fork_random(), torch.no_grad(), user_code(name), Watch(call):
        found(torch.zeros(2, *shape))
    if reached:
        raise InputError(
            f"{name} computes with a module that it reaches by a global name, so that a copy of it still uses the "
            "original: reach its parts by self."
        )


def _on_cpu(tensor: "Tensor") -> "Tensor":
    from torch import nn

    plain = tensor.detach().to("cpu", copy=True)
    return nn.Parameter(plain, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else plain


def _tensors(module: "nn.Module") -> "Iterator[Tensor]":
    """Yield the plain tensors and parameters stored in a module, also in lists and dictionaries."""
    import torch
    from torch import nn
    from torch.utils._pytree import tree_leaves

    for part in module.modules():
        for value in tree_leaves(dict(vars(part))):
            if type(value) in (torch.Tensor, nn.Parameter):
                yield value
