"""Trace a network with torch's tracer, independently of the host's settings."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["deprecated_api", "trace"]


@contextlib.contextmanager
def deprecated_api() -> Iterator[None]:
    """Silence torch's warning that TorchScript is deprecated: it works, and the user requested it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        yield


def trace(network: "nn.Module", sample: "Tensor") -> Any:
    """Return torch's trace of a network, after switching off the gradients of its tensors."""
    import torch

    for tensor in _tensors(network):
        if tensor.is_leaf:
            tensor.requires_grad = False
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # a fused attention operator that no other program knows
    try:
        with deprecated_api(), warnings.catch_warnings(), _plain_functions(), _cudnn_as_usual():
            warnings.simplefilter("ignore", torch.jit._trace.TracerWarning)  # comparing two traces finds branches
            return torch.jit.trace(network, sample, check_trace=False)  # type: ignore[no-untyped-call]
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _tensors(network: "nn.Module") -> "Iterator[Tensor]":
    """Yield the tensors that a network holds: registered, or in attributes, lists and mappings."""
    import torch

    left: list[Any] = [network]
    seen: set[int] = set()
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, torch.nn.Module | Mapping):
            left += (vars(value) if isinstance(value, torch.nn.Module) else value).values()
        elif isinstance(value, list | tuple):
            left += value


@contextlib.contextmanager
def _cudnn_as_usual() -> Iterator[None]:
    """Set torch's defaults for cuDNN, because a trace records them as arguments of convolutions."""
    import torch

    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=False, allow_tf32=True):
        yield


@contextlib.contextmanager
def _plain_functions() -> Iterator[None]:
    """Make autograd functions run their ``forward`` directly; otherwise a trace records a call of Python code."""
    from torch.autograd import Function
    from torch.autograd.function import FunctionCtx

    def apply(cls: Any, *args: Any) -> Any:
        own_context = cls.setup_context is not Function.setup_context
        return cls.forward(*args) if own_context else cls.forward(FunctionCtx(), *args)

    before = Function.__dict__["apply"]
    Function.apply = classmethod(apply)  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        Function.apply = before  # type: ignore[method-assign]
