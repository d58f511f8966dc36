"""List the runs of a TorchScript archive on this machine: optimisation on or off, on one thread or all."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from lenetx_runtime.cpus import available_cpus

from ...eager import TorchBackend
from ..artifact import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["as_written", "runs_of"]

_WARM_UP = 3
"""Number of calls before the one that counts; libtorch profiles the first calls and then optimises."""


class _Variant:
    """A backend that runs a module in one configuration and restores torch's settings afterwards."""

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
    """Make libtorch run modules operator by operator, without optimisation."""
    import torch

    with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        yield


def runs_of(load: Callable[[], Any], device: str) -> tuple[Run, ...]:
    """Return a run for each combination of optimisation and thread count.

    Args:
        load: loads a new module.
        device: where it runs.
    """
    return tuple(
        Run(
            f"optimisation {'all' if optimised else 'off'}, {threads} thread{'s'[: threads - 1]}",
            partial(_Variant, load, device, optimised=optimised, threads=threads),
        )
        for optimised in (False, True)
        for threads in sorted({1, available_cpus()})
    )
