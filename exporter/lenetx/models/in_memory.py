"""Make an architecture of a module that a program holds in memory."""

import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..execution.copies import deep_copy
from ..execution.user_code import is_installed
from .architecture import Architecture, Shape
from .module_copy import copied, drop_idle_hooks
from .timm_zoo import carried_by
from .user_network import as_input_shape, declared_input_shape, own_digest
from .wrappers import sole_part, unwrapped

if TYPE_CHECKING:
    from torch import nn
    from typing_extensions import TypeIs

__all__ = ["IN_MEMORY", "architecture_of", "is_module", "network_in"]

IN_MEMORY = "in-memory:"
"""Prefix of the recorded name of a class without a file, as in a notebook; no module can have that name."""


def is_module(value: object) -> "TypeIs[nn.Module]":
    """Return whether a value is a ``torch.nn.Module``."""
    from torch import nn

    return isinstance(value, nn.Module)


def network_in(module: "nn.Module") -> "nn.Module":
    """Return the network inside the wrappers of ``torch.compile``, data parallelism and Lightning.

    Raises:
        InputError: it has no ``forward``, and none or several parts that could be the network.
    """
    inner = unwrapped(module)
    return sole_part(inner, type(inner).__name__)


def architecture_of(
    module: object, input_shape: Sequence[int] | None, on_notice: Callable[[str], None]
) -> Architecture:
    """Return an architecture that builds copies of a module, on the CPU; the module is never changed.

    Its name is ``FILE.py:NAME@DIGEST`` as of ``lenetx.models.resolve`` for a class in a file, ``package.module:NAME``
    for one of an installed package, and ``in-memory:NAME`` for one without a file.

    Args:
        module: a ``torch.nn.Module`` with weights, on any device and in any mode.
        input_shape: (channels, height, width), or (height, width, channels) if the module takes [N, H, W, C]; by
            default the module's attribute of that name, or what timm stores in its modules.
        on_notice: called with a sentence if the module is in training mode.

    Raises:
        InputError: it is not a module or a TorchScript module, it cannot be copied, it has no weights yet, or the input
            shape is invalid.
    """
    import torch
    from torch import nn

    if not is_module(module):
        shown = f"the class {module.__name__}: call it" if isinstance(module, type) else type(module).__name__
        raise InputError(f"A torch.nn.Module is needed; got {shown}.")
    module = network_in(module)
    name = _name_of(nn.utils.parametrize.type_before_parametrizations(module))
    title = name.split("@")[0]
    if isinstance(module, torch.jit.ScriptModule):
        raise InputError(
            f"{module.original_name} is a TorchScript module, whose Python code cannot be recovered: give the module "
            "that it was made of. If you have only its code, save it with torch.jit.save and read that file with "
            "lenetx.load_weights(FILE, architecture='net.py:NAME')."
        )
    _require_weights(module, title)
    if module.training:
        on_notice(f"{title} is in training mode; it is taken in eval mode, as a copy.")
    kept = copied(module, title).eval()
    shape, channels_last = _input_shape(module, input_shape, title)
    if shape is not None:
        axes = (*shape[1:], shape[0]) if channels_last else shape
        drop_idle_hooks(kept, torch.rand(2, *axes, generator=torch.Generator().manual_seed(0)))
    return Architecture(
        name,
        lambda: deep_copy(kept, {}),
        {},
        shape,
        channels_last=channels_last,
        preprocessing=carried_by(module)[1],
    )


def _input_shape(module: "nn.Module", stated: Sequence[int] | None, title: str) -> tuple[Shape | None, bool]:
    if stated is None:
        shape, is_last = declared_input_shape(module, title)
        return shape or carried_by(module)[0], is_last
    shape, is_last = as_input_shape(stated, "The input_shape")
    with contextlib.suppress(InputError):  # the attribute may mean something else
        is_last = is_last or declared_input_shape(module, title)[1]
    return shape, is_last


def _require_weights(module: "nn.Module", title: str) -> None:
    from torch import nn

    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if nn.parameter.is_lazy(tensor):
            raise InputError(f"{title} has no weights yet: its lazy layer of '{name}' needs an input first.")
        if tensor.is_meta:
            raise InputError(f"{title} has no weights: '{name}' is on the meta device.")


def _name_of(kind: type) -> str:
    """Return the recorded name of a class."""
    name, module = kind.__qualname__, sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if module is None or file is None or not name.isidentifier() or getattr(module, name, None) is not kind:
        return f"{IN_MEMORY}{kind.__name__}"
    if is_installed(file):
        return f"{kind.__module__}:{name}"
    try:
        digest = own_digest(module)
    except InputError:  # the file no longer exists
        digest = ""
    return f"{Path(file).name}:{name}{digest}" if digest else f"{IN_MEMORY}{name}"
