"""List the runs of a TorchScript archive on this machine: optimisation on or off, on one thread or all."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from lenetx_runtime.cpus import available_cpus

from ...eager import TorchBackend
from ..artifact import Run
from ..threaded import Threaded, in_words

__all__ = ["as_written", "runs_of"]

_WARM_UP = 3
"""Number of calls before the one that counts; libtorch profiles the first calls and then optimises."""


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
            f"optimisation {'all' if optimised else 'off'}, {in_words(threads)}",
            partial(_open, load, device, optimised=optimised, threads=threads),
        )
        for optimised in (False, True)
        for threads in sorted({1, available_cpus()})
    )


def _open(load: Callable[[], Any], device: str, *, optimised: bool, threads: int) -> Threaded:
    backend = TorchBackend(load(), device)
    return Threaded(backend, threads, _WARM_UP) if optimised else Threaded(backend, threads, around=as_written)
