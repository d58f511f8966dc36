"""Keep networks as Python code where a factory compiles them with TorchScript."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["without_torchscript"]

_COMPILERS = ("script", "trace", "freeze", "optimize_for_inference")
_lock = threading.RLock()


@contextlib.contextmanager
def without_torchscript() -> Iterator[list[str]]:
    """Let the compilers of ``torch.jit`` return modules unchanged, in this thread; functions are still compiled.

    Yields:
        The list of the compilers that were called with a module, as "torch.jit.script"; it grows while they are.
    """
    import torch
    from torch import nn

    thread = threading.get_ident()
    called: list[str] = []

    def keeping(name: str, compiler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(compiler)
        def call(*args: Any, **kwargs: Any) -> Any:
            given = next(iter((*args, *kwargs.values())), None)
            applies = threading.get_ident() == thread and getattr(torch.jit, name) is call  # it may outlive the context
            if not applies or not isinstance(given, nn.Module) or isinstance(given, torch.jit.ScriptModule):
                return compiler(*args, **kwargs)
            called.append(f"torch.jit.{name}")
            return given

        return call

    with _lock:
        before = {name: getattr(torch.jit, name) for name in _COMPILERS}
        for name, compiler in before.items():
            setattr(torch.jit, name, keeping(name, compiler))
        try:
            yield called
        finally:
            for name, compiler in before.items():
                setattr(torch.jit, name, compiler)
