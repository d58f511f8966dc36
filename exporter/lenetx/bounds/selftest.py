"""The self-test that travels inside an artifact: a few images, their logits in float64, and how far off is honest."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime.preprocess import normalise
from lenetx_runtime.selftest import SelfTest

from ..execution.copies import another
from ..execution.double import Double
from .measure import Measured, measure, plan

if TYPE_CHECKING:
    from torch import nn

    from lenetx_runtime import ModelSpec

    from ..weights.checkpoint import Checkpoint

__all__ = ["GOLDEN", "golden_answers", "with_self_test"]

GOLDEN = 8
"""Images in a self-test."""
_DIGITS, _LIMIT_DIGITS = 9, 3
"""Significant ones that are kept: float32 has 7.2, and float64 differs between machines in the 16th."""


def with_self_test(checkpoint: "Checkpoint", frames: NDArray[np.uint8] | None = None) -> "Checkpoint":
    """Return the checkpoint with a self-test in its spec; the same weights and frames give the same one.

    Args:
        checkpoint: of any spec.
        frames: uint8[N, h, w] or uint8[N, h, w, 3] of the spec's ``frame_size``, of which the first 8 are taken; by
            default random levels from a fixed seed, for weights that came without images.
    """
    spec = checkpoint.spec
    if frames is None:
        shape = spec.frame_size if spec.channels == 1 else (*spec.frame_size, spec.channels)
        frames = np.random.default_rng(1998).integers(0, 256, (GOLDEN, *shape), np.uint8)
    chosen = np.ascontiguousarray(frames[:GOLDEN])
    network = checkpoint.module()
    with checkpoint.guard():
        double = Double(another(network, checkpoint.module), checkpoint.title)
        found = golden_answers(network, double, spec, chosen)
    if not np.isfinite(found.exact).all():  # weights that nothing can be proven of
        return checkpoint
    logits, limits = _rounded(found.exact, _DIGITS), _rounded(found.limits, _LIMIT_DIGITS)
    spec = dataclasses.replace(spec, selftest=SelfTest.of(chosen, logits, limits))
    return dataclasses.replace(checkpoint, spec=spec)


def golden_answers(float32: "nn.Module", float64: Double, spec: "ModelSpec", frames: NDArray[np.uint8]) -> Measured:
    """Return what is right for some frames, and how far from it an honest program may be."""
    inputs = normalise(frames, spec)
    return measure(float32, float64, inputs, plan(float32, spec.input_shape, len(inputs)).method)


def _rounded(values: NDArray[np.float64], digits: int) -> NDArray[np.float64]:
    """Keep so many significant digits of each number."""
    flat = [float(f"{value:.{digits - 1}e}") for value in values.reshape(-1).tolist()]
    rounded: NDArray[np.float64] = np.array(flat).reshape(values.shape)
    return rounded
