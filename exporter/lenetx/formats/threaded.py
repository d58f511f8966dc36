"""Run a torch backend on a stated number of threads."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from ..eager import TorchBackend

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Threaded", "in_words"]


class Threaded:
    """A backend that runs in one configuration and restores torch's settings afterwards.

    Args:
        backend: what runs.
        threads: the number of threads.
        warm_up: the number of calls before the one that counts.
        around: returns a context manager in which it runs.
    """

    def __init__(
        self,
        backend: TorchBackend,
        threads: int,
        warm_up: int = 0,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._backend, self._threads, self._warm_up, self._around = backend, threads, warm_up, around

    @property
    def device(self) -> str:
        """The device that it runs on."""
        return self._backend.device

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return float32[N, K] logits for float32[N, C, H, W]."""
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with self._around():
                for _ in range(self._warm_up):
                    self._backend.run(batch)
                return self._backend.run(batch)
        finally:
            torch.set_num_threads(before)


def in_words(threads: int) -> str:
    """Return a number of threads in words."""
    return f"{threads} thread{'s'[: threads - 1]}"
