"""Compute in float64 what an artifact in reduced precision should: its own graph, or a network of rounded weights."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime.preprocess import normalise
from lenetx_runtime.spec import FLOAT16, INT8

from ..execution.float64 import Float64Network
from ..execution.host import standard_settings
from ..formats.rounded_network import RoundedNetwork
from ..quantization.precision import MAX_DROP
from ..quantization.rounding import measure
from .reference import Reference

if TYPE_CHECKING:
    from ..bounds.measure import Measured
    from ..formats.reduced import Reduced

__all__ = ["GraphReference", "ReducedReference", "RoundedReference"]

_TOGETHER = 200
"""Images in a batch of the network in float64."""


class ReducedReference(Reference):
    """What an artifact in reduced precision should compute, for the same inputs as a checkpoint's reference.

    Args:
        float32: the checkpoint's reference, whose images are shared.
        precision: ``float16`` or ``int8``.

    Attributes:
        most_lost: the largest loss of accuracy that passes, in percentage points.
    """

    def __init__(self, float32: Reference, precision: str) -> None:
        self.__dict__.update(float32.__dict__)
        self._probes = {}
        self._unreduced = float32.modules[1]
        self._precision = precision
        self.most_lost = MAX_DROP[precision] if float32.max_drop is None else float32.max_drop

    def exact(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the checkpoint's own logits in float64, float64[N, K], for float32[N, C, H, W] inputs."""
        import torch

        with self.checkpoint.guard(), standard_settings():
            parts = torch.from_numpy(inputs).split(_TOGETHER)  # type: ignore[no-untyped-call]
            found: NDArray[np.float64] = torch.cat([self._unreduced(part.double()) for part in parts]).numpy()
        return found


class RoundedReference(ReducedReference):
    """The logits and limits, in float32 arithmetic, of a checkpoint's network with its weights rounded to float16.

    Args:
        float32: the checkpoint's reference, whose images are shared.

    Raises:
        InputError: a weight is beyond the range of float16.
    """

    def __init__(self, float32: Reference) -> None:
        super().__init__(float32, FLOAT16)
        self._views = {}
        rounded = RoundedNetwork(float32.network)
        self.__dict__["network"] = rounded  # where ``cached_property`` keeps it
        self._float32 = rounded.module
        self._float64 = Float64Network(rounded.module, self.checkpoint.title)

    @property
    def limit_words(self) -> str:
        """How the limits are computed, in words."""
        return f"{super().limit_words}; of the network with weights rounded to float16"


class GraphReference(ReducedReference):
    """The logits of an artifact's own graph in float64.

    Args:
        float32: the checkpoint's reference, whose images and network are shared.
        reduced: what the artifact computes.
        precision: ``float16`` or ``int8``.
    """

    def __init__(self, float32: Reference, reduced: "Reduced", precision: str) -> None:
        super().__init__(float32, precision)
        self._program = reduced.program

    @property
    def limit_words(self) -> str:
        """How the limits are computed, in words."""
        ties = ", and other roundings of numbers near a tie" if self._precision == INT8 else ""
        return f"rounding of its own {self._precision} graph, computed in float64{ties}"

    def golden(self, frames: NDArray[np.uint8]) -> "Measured":
        """Compute logits and limits of some frames of the spec's ``frame_size``."""
        return measure(self._program, normalise(frames, self.checkpoint.spec))

    def _measured(self, values: NDArray[np.float32], *, extreme: bool) -> "Measured":
        del extreme  # a number that the precision cannot hold is infinite in ``eager``
        return measure(self._program, values)
