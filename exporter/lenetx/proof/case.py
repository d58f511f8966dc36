"""Define the input of every check: the artifact or function, the reference, and the results so far."""

from typing import TYPE_CHECKING

import numpy as np

from lenetx_runtime.backend import Backend, run_in_batches

from ..formats.artifact import OpenedArtifact
from ..report import Check
from .failures import could_not_run
from .forked import ForkedOutcome
from .reference import Probe, Reference
from .view import View

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lenetx_runtime import ModelSpec

__all__ = ["Case", "answer"]


class Case:
    """The input of every check: ``check(case) -> tuple[Check, ...]``.

    Args:
        opened: the artifact, reopened from disk, or a function.
        reference: the checkpoint with the inputs and their correct logits.
        forked: the outcome of the first batches, run in a forked process; ``None`` if unknown.
        found: the results so far; the proof appends to them.
    """

    def __init__(
        self,
        opened: OpenedArtifact,
        reference: Reference,
        *,
        forked: ForkedOutcome | None = None,
        found: "list[Check] | None" = None,
    ) -> None:
        self.opened, self.reference, self.forked = opened, reference, forked
        self.found = [] if found is None else found
        self.backend, self.spec, self.is_function = opened.backend, opened.artifact.spec, opened.artifact.is_function
        self.is_foreign = opened.artifact.is_foreign
        self._logits: dict[str, NDArray[np.float32] | str] = {}

    @property
    def view(self) -> View:
        """The network that the artifact's weights, operators and layers are compared with."""
        return self.reference.view(self.opened.network)

    def logits(self, probe: Probe) -> "NDArray[np.float32] | str":
        """Return float32[N, K] logits for a probe, or the error as a sentence; each probe is run once."""
        if probe.name not in self._logits:
            self._logits[probe.name] = answer(self.backend, self.spec, probe)
        return self._logits[probe.name]


def answer(backend: Backend, spec: "ModelSpec", probe: Probe) -> "NDArray[np.float32] | str":
    """Return a backend's float32[N, K] logits for a probe, or the error as a sentence."""
    try:
        logits: NDArray[np.float32] | str = run_in_batches(backend, probe.inputs, spec)
    except Exception as error:  # an engine may raise any exception
        return could_not_run(error)
    return logits
