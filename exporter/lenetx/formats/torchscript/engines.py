"""Every way to run a TorchScript archive here: as written or optimised, on one thread or all."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from lenetx_runtime.cpus import available_cpus

from ...eager import TorchBackend
from ..artifact import Engine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["as_written", "engines_of"]

_WARM_UP = 3
"""libtorch watches the first calls and then optimises."""


class _Variant:
    """Runs a module in one way and leaves torch's own settings as they were."""

    def __init__(self, load: Callable[[], Any], device: str, *, optimised: bool, threads: int) -> None:
        self._backend = TorchBackend(load(), device)
        self._optimised, self._threads = optimised, threads

    @property
    def device(self) -> str:
        return self._backend.device

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with contextlib.nullcontext() if self._optimised else as_written():
                for _ in range(_WARM_UP if self._optimised else 0):
                    self._backend.run(batch)
                return self._backend.run(batch)
        finally:
            torch.set_num_threads(before)


@contextlib.contextmanager
def as_written() -> Iterator[None]:
    """Have libtorch run a module operator by operator."""
    import torch

    with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        yield


def engines_of(load: Callable[[], Any], device: str) -> tuple[Engine, ...]:
    """Return a way to run it for each kind of execution and number of threads.

    Args:
        load: gives the module, anew each time.
        device: where it shall run.
    """
    return tuple(
        Engine(
            f"optimisation {'all' if optimised else 'off'}, {threads} thread{'s'[: threads - 1]}",
            partial(_Variant, load, device, optimised=optimised, threads=threads),
        )
        for optimised in (False, True)
        for threads in sorted({1, available_cpus()})
    )
