"""What is right: the eager module in eval mode, in float64, and what it costs to compute it in float32."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime.preprocess import normalise

from ..data import Dataset
from ..eager import full_precision
from ..usage import Usage, exported_network, usage_of
from . import inputs
from .limits import self_calibrated

if TYPE_CHECKING:
    from torch import nn

    from ..checkpoint import Checkpoint

__all__ = ["Probe", "Reference"]

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Probe:
    """A group of inputs with the right answers.

    Attributes:
        subject: what they are and how many, in words.
        inputs: float32[N, C, H, W].
        exact: float64[N, K] logits of the float64 module.
        eager: float32[N, K] logits of the float32 module.
        limit: the largest |logit − exact| that passes.
    """

    subject: str
    inputs: NDArray[np.float32]
    exact: NDArray[np.float64]
    eager: NDArray[np.float32]
    limit: float


class Reference:
    """A checkpoint's module on all groups of inputs, each computed once however many artifacts are judged.

    Args:
        checkpoint: the weights that artifacts are compared with.
        dataset: whose test split is used, or ``None``.
        missing: why there is no data set.
    """

    def __init__(self, checkpoint: "Checkpoint", dataset: Dataset | None, missing: str = "") -> None:
        self.checkpoint, self.dataset, self.missing = checkpoint, dataset, missing
        self._float32 = checkpoint.module()
        self._float64 = checkpoint.module().double()

    @cached_property
    def usage(self) -> Usage:
        """What an honest artifact computes with: folded here again, not taken from the export."""
        return usage_of(exported_network(self.checkpoint), self.checkpoint.spec.input_shape)

    @cached_property
    def random(self) -> Probe:
        """Standard normal values."""
        return self._probe("standard normal inputs", inputs.random(self.checkpoint.spec))

    @cached_property
    def constant(self) -> Probe:
        """One grey level per image."""
        return self._probe("images of one grey level", inputs.constant(self.checkpoint.spec))

    @cached_property
    def saturated(self) -> Probe:
        """Black and white only, in each channel."""
        return self._probe("black-and-white images", inputs.saturated(self.checkpoint.spec))

    @cached_property
    def real(self) -> Probe | None:
        """The whole test split, preprocessed by the runtime."""
        if self.dataset is None:
            return None
        spec = self.checkpoint.spec
        images = normalise(self.dataset.test.framed(spec).images, spec)
        return self._probe(f"test images of {self.dataset.name}", images)

    def _probe(self, subject: str, values: NDArray[np.float32]) -> Probe:
        exact = _run(self._float64, values.astype(np.float64))
        eager = _run(self._float32, values).astype(np.float32)
        return Probe(f"{len(values):,} {subject}", values, exact, eager, self_calibrated(exact, eager))


def _run(module: "nn.Module", values: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
    import torch

    with torch.inference_mode(), full_precision("cpu"):
        parts = [module(part).double() for part in torch.from_numpy(values).split(_BATCH)]
        logits: NDArray[np.float64] = torch.cat(parts).numpy()
    return logits
