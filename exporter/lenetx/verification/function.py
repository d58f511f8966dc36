"""Anyone's own implementation, as something that can be judged: a function from inputs to logits."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..artifact import Artifact, OpenedArtifact
from ..report import Check

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lenetx_runtime import ModelSpec

__all__ = ["as_artifact", "as_float32"]


def as_float32(logits: "NDArray[Any]") -> "NDArray[np.float32]":
    """Round float64 logits, which numpy makes of lists of numbers; anything else stays and is judged as it is."""
    return logits.astype(np.float32) if logits.dtype == np.float64 else logits


class _Function:
    device = "of its own"

    def __init__(self, run: "Callable[[NDArray[np.float32]], Any]") -> None:
        self._run = run

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        return as_float32(np.asarray(self._run(batch.copy())))


def as_artifact(run: "Callable[[NDArray[np.float32]], Any]", spec: "ModelSpec") -> OpenedArtifact:
    """Give a function the form of an opened artifact that shows nothing but its logits.

    Args:
        run: takes float32[N, C, H, W] of any N and gives [N, K] logits, float32 or float64 that is rounded, as an array
            or what numpy makes one of.
        spec: of the checkpoint that it claims to compute.
    """
    name = getattr(run, "__name__", type(run).__name__)
    nothing = Check("file", name, "not_applicable", detail="A function has no file.")
    artifact = Artifact("function", "float32", Path(name), "", 0, spec)
    return OpenedArtifact(artifact, _Function(run), (nothing,))
