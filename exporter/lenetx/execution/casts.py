"""Run a network in float32 whose code casts to another precision."""

from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

if TYPE_CHECKING:
    from torch import nn

__all__ = ["cast_to_float32"]

_CASTS = {
    torch.float64: torch.Tensor.double,
    torch.float16: torch.Tensor.half,
    torch.bfloat16: torch.Tensor.bfloat16,
}


class _Float32(TorchFunctionMode):
    """Replace a precision by float32 wherever code names it."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self._dtype = dtype

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch with float32 in place of the dtype."""
        args, kwargs = tree_map(lambda each: torch.float32 if each is self._dtype else each, (args, kwargs or {}))
        return (torch.Tensor.float if func is _CASTS.get(self._dtype) else func)(*args, **kwargs)

    def enter(self, *_: Any) -> None:
        """Begin a forward pass."""
        self.__enter__()  # type: ignore[no-untyped-call]

    def leave(self, *_: Any) -> None:
        """End a forward pass, also one that raised an error."""
        self.__exit__(None, None, None)  # type: ignore[no-untyped-call]


def cast_to_float32(module: "nn.Module", dtype: torch.dtype) -> None:
    """Let a module's forward pass cast to float32 wherever its code casts to ``dtype``, in place."""
    mode = _Float32(dtype)
    module.register_forward_pre_hook(mode.enter, prepend=True)
    module.register_forward_hook(mode.leave, always_call=True)
