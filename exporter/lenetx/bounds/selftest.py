"""Make the self-test inside an artifact: a few images, their float64 logits, and the allowed error per logit."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime.preprocess import normalise
from lenetx_runtime.selftest import SelfTest

from ..errors import LenetxError
from ..execution.copies import copy_or_rebuild
from ..execution.float64 import Float64Network
from ..execution.user_code import described
from .measure import Measured, measure, plan

if TYPE_CHECKING:
    from torch import nn

    from lenetx_runtime import ModelSpec

    from ..weights.checkpoint import Checkpoint

__all__ = ["GOLDEN", "golden_answers", "rounded_answers", "with_possible_self_test", "with_self_test"]

GOLDEN = 8
"""Images in a self-test."""
_DIGITS, _LIMIT_DIGITS = 9, 3
"""Significant digits kept of logits and limits: float32 has 7.2, and float64 differs between machines in the 16th."""


def with_self_test(checkpoint: "Checkpoint", frames: NDArray[np.uint8] | None = None) -> "Checkpoint":
    """Return the checkpoint with a self-test in its spec; the same weights and frames give the same self-test.

    Args:
        checkpoint: with any spec.
        frames: uint8[N, h, w] or uint8[N, h, w, 3] of the spec's ``frame_size``, of which the first 8 are used; by
            default, random levels from a fixed seed, for weights without images.

    Returns:
        The checkpoint with a self-test, or unchanged if the float64 logits are not finite.
    """
    spec = checkpoint.spec
    if frames is None:
        shape = spec.frame_shape
        frames = np.random.default_rng(1998).integers(0, 256, (GOLDEN, *shape), np.uint8)
    chosen = np.ascontiguousarray(frames[:GOLDEN])
    network = checkpoint.module()
    with checkpoint.guard():
        double = Float64Network(copy_or_rebuild(network, checkpoint.module), checkpoint.title)
        found = golden_answers(network, double, spec, chosen)
    if not np.isfinite(found.exact).all():  # nothing can be proven about such weights
        return checkpoint
    spec = dataclasses.replace(spec, selftest=SelfTest.of(chosen, *rounded_answers(found)))
    return dataclasses.replace(checkpoint, spec=spec)


def with_possible_self_test(checkpoint: "Checkpoint", on_notice: Callable[[str], None]) -> "Checkpoint":
    """Add a self-test to a checkpoint; if that fails, send a notice and leave the error to the proof."""
    try:
        return with_self_test(checkpoint)
    except Exception as error:  # whatever the user's network raises, in float32 or float64
        words = str(error) if isinstance(error, LenetxError) else described(error)
        on_notice(f"The artifacts have no self-test, because it could not be made: {words}")
        return checkpoint


def golden_answers(
    float32: "nn.Module", float64: Float64Network, spec: "ModelSpec", frames: NDArray[np.uint8]
) -> Measured:
    """Compute the logits of some frames in float64 and float32, and the allowed error per logit.

    Args:
        float32: the network in eval mode.
        float64: the same network, computing in float64.
        spec: how to normalise the frames.
        frames: uint8[N, h, w] or uint8[N, h, w, 3] of the spec's ``frame_size``.
    """
    inputs = normalise(frames, spec)
    return measure(float32, float64, inputs, plan(float32, spec.input_shape, len(inputs)).method)


def rounded_answers(found: Measured) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return logits and limits with the digits that a self-test keeps."""
    return _rounded(found.exact, _DIGITS), _rounded(found.limits, _LIMIT_DIGITS)


def _rounded(values: NDArray[np.float64], digits: int) -> NDArray[np.float64]:
    """Round each number to ``digits`` significant digits."""
    flat = [float(f"{value:.{digits - 1}e}") for value in values.reshape(-1).tolist()]
    rounded: NDArray[np.float64] = np.array(flat).reshape(values.shape)
    return rounded
