"""What is judged: an artifact that was opened, or a function; its answers are kept while others are asked."""

from typing import TYPE_CHECKING

import numpy as np

from lenetx_runtime.backend import Backend, run_in_batches

from .apart import Apart
from .failures import could_not_run
from .reference import Probe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lenetx_runtime import ModelSpec

__all__ = ["Subject", "answer"]


class Subject:
    """Something that gives logits.

    Args:
        backend: computes them.
        spec: what it says of itself.
        is_function: it is someone's own, which says nothing of itself: the spec is the checkpoint's.
        apart: what became of batches of 1 and 0 in a process of their own; ``None`` if that is not known.
    """

    def __init__(
        self, backend: Backend, spec: "ModelSpec", *, is_function: bool = False, apart: Apart | None = None
    ) -> None:
        self.backend, self.spec, self.is_function, self.apart = backend, spec, is_function, apart
        self._answers: dict[str, NDArray[np.float32] | str] = {}

    def logits(self, probe: Probe) -> "NDArray[np.float32] | str":
        """Give the logits for a probe, or why there are none; each probe is asked once."""
        if probe.name not in self._answers:
            self._answers[probe.name] = answer(self.backend, self.spec, probe)
        return self._answers[probe.name]


def answer(backend: Backend, spec: "ModelSpec", probe: Probe) -> "NDArray[np.float32] | str":
    """Give the logits, or why there are none: an artifact that should run and cannot has failed."""
    try:
        logits: NDArray[np.float32] | str = run_in_batches(backend, probe.inputs, spec)
    except Exception as error:  # whatever an engine raises on a model that it cannot run
        return could_not_run(error)
    return logits
