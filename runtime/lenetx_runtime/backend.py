"""Define the ``Backend`` protocol, and run models in batches."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .spec import ModelSpec

__all__ = ["Backend", "batches", "run_in_batches"]

LARGEST_BATCH, _NUMBERS = 1024, 2**19
"""Maximum number of images, and of input values, per call with a dynamic batch axis."""


class Backend(Protocol):
    """Compute logits. A Protocol, so that tests and custom engines need no base class."""

    @property
    def device(self) -> str:
        """Where the model actually runs: ``cpu``, ``cuda:N`` or the name of an execution provider."""

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return float32[N, K] logits for float32[N, C, H, W], or for uint8 frames if the spec has ``raw_input``.

        Do not keep ``batch``: its memory is reused.
        """


def run_in_batches(backend: Backend, inputs: "NDArray[np.float32]", spec: "ModelSpec") -> "NDArray[np.float32]":
    """Return float32[N, K] logits for float32[N, C, H, W], N ≥ 0, in batches of a size that the artifact accepts.

    A fixed batch is padded with zero images, whose logits are dropped.
    """
    import numpy as np

    parts = [backend.run(part)[:count] for part, count in batches(inputs, spec)]
    return np.concatenate(parts) if parts else np.empty((0, len(spec.labels)), np.float32)


def batches(
    inputs: "NDArray[np.float32]", spec: "ModelSpec", largest: int | None = None
) -> "Iterator[tuple[NDArray[np.float32], int]]":
    """Yield (float32[n, C, H, W] batch of a size that the artifact accepts, number of its rows that are inputs).

    Args:
        inputs: float32[N, C, H, W], N ≥ 0.
        spec: defines that size.
        largest: maximum number of images per batch, for a dynamic batch axis.
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
