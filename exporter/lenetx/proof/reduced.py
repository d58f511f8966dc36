"""Compute what an artifact in reduced precision should: its own graph, in float64."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime.preprocess import normalise
from lenetx_runtime.spec import INT8

from ..execution.host import standard_settings
from ..quantization.precision import MAX_DROP
from ..quantization.rounding import measure
from .reference import Reference

if TYPE_CHECKING:
    from ..bounds.measure import Measured
    from ..formats.reduced import Reduced

__all__ = ["ReducedReference"]

_TOGETHER = 200
"""Images in a batch of the network in float64."""


class ReducedReference(Reference):
    """The logits of an artifact's own graph in float64, for the same inputs as a checkpoint's reference.

    Args:
        float32: the checkpoint's reference, whose images and network are shared.
        reduced: what the artifact computes.
        precision: ``float16`` or ``int8``.

    Attributes:
        most_lost: the largest loss of accuracy that passes, in percentage points.
    """

    def __init__(self, float32: Reference, reduced: "Reduced", precision: str) -> None:
        self.__dict__.update(float32.__dict__)
        self._program, self._precision = reduced.program, precision
        self._probes = {}
        self.most_lost = MAX_DROP[precision] if float32.max_drop is None else float32.max_drop

    @property
    def limit_words(self) -> str:
        """How the limits are computed, in words."""
        ties = ", and other roundings of numbers near a tie" if self._precision == INT8 else ""
        return f"rounding of its own {self._precision} graph, computed in float64{ties}"

    def exact(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the network's own logits in float64, float64[N, K], for float32[N, C, H, W] inputs."""
        import torch

        _, double = self.modules
        with self.checkpoint.guard(), standard_settings():
            parts = torch.from_numpy(inputs).split(_TOGETHER)  # type: ignore[no-untyped-call]
            found: NDArray[np.float64] = torch.cat([double(part.double()) for part in parts]).numpy()
        return found

    def golden(self, frames: NDArray[np.uint8]) -> "Measured":
        """Compute logits and limits of some frames of the spec's ``frame_size``."""
        return measure(self._program, normalise(frames, self.checkpoint.spec))

    def _measured(self, values: NDArray[np.float32], *, extreme: bool) -> "Measured":
        del extreme  # a number that the precision cannot hold is infinite in ``eager``
        return measure(self._program, values)
