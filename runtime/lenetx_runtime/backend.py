"""The seam between a model and whatever computes it."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .spec import ModelSpec

__all__ = ["Backend", "batches", "run_in_batches"]

LARGEST_BATCH, _NUMBERS = 1024, 2**19
"""Images per call for a dynamic batch axis, and numbers of their inputs."""


class Backend(Protocol):
    """Computes logits. A Protocol, so that a test or another engine needs no base class."""

    @property
    def device(self) -> str:
        """Where the model really runs: ``cpu``, ``cuda:N`` or the name of an execution provider."""

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Take float32[N, C, H, W] and give float32[N, K] logits; another batch has its memory after the call."""


def run_in_batches(backend: Backend, inputs: "NDArray[np.float32]", spec: "ModelSpec") -> "NDArray[np.float32]":
    """Run float32[N, C, H, W] for any N ≥ 0 in calls of a size that the artifact takes.

    A fixed batch size is filled up with zero images, whose logits are dropped.
    """
    import numpy as np

    parts = [backend.run(part)[:count] for part, count in batches(inputs, spec)]
    return np.concatenate(parts) if parts else np.empty((0, len(spec.labels)), np.float32)


def batches(
    inputs: "NDArray[np.float32]", spec: "ModelSpec", largest: int | None = None
) -> "Iterator[tuple[NDArray[np.float32], int]]":
    """Yield calls, each float32[n, C, H, W] of a size that the artifact takes, and how many of their rows count.

    Args:
        inputs: float32[N, C, H, W], N ≥ 0.
        spec: names that size.
        largest: the most images of a call with a dynamic batch.
    """
    import numpy as np

    most = largest or max(1, min(LARGEST_BATCH, _NUMBERS // math.prod(spec.input_shape)))
    size = most if spec.batch == "dynamic" else spec.batch
    for start in range(0, len(inputs), size):
        part = inputs[start : start + size]
        if spec.batch != "dynamic" and len(part) < size:
            filler = np.zeros((size - len(part), *part.shape[1:]), part.dtype)
            yield np.concatenate([part, filler]), len(part)
        else:
            yield part, len(part)
