"""Check an artifact's embedded spec against the checkpoint: labels, preprocessing, identity and self-test."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import normalise
from lenetx_runtime.spec import EXPORTED, FLOAT32, UNPROVEN

from .. import models
from ..models.identity import is_same
from ..models.in_memory import IN_MEMORY
from ..report import Check
from ..weights.accepted import code_accepted
from ..weights.checkpoint import CODE, Checkpoint
from .case import Case
from .raw_input import raw_input
from .reference import Reference

__all__ = ["embedded_spec"]

_GROUP = "contract"
_ONLY_AN_ARTIFACTS = ("batch", "largest_batch", "content_sha256", "origin", "raw_input", "probabilities")
_OF_THEIR_GRAPH = ("input_name", "output_name", "layout")
"""Fields of an adopted file that are those of its graph; opening it compares the two."""
_OF_THE_NETWORK = ("architecture", "weights_sha256", "producer", "selftest")
"""Fields that lenetx could not know when it sealed an unproven file."""
_OF_THE_PRECISION = ("precision", "calibration", "selftest")
"""Fields of a file in reduced precision, whose logits and limits are others."""
_SELF_TEST = 0.02
"""Tolerance for stored logits and limits, as a share of the limit; they are rounded to 9 and 3 digits."""
_MACHINES = 8
"""Allowed ratio of eager error between machines, for self-calibrated limits."""
_FRAMES, _NUMBERS = 256, 2**24


_NOTHING = "{} does not describe its inputs and labels; they are assumed to be the checkpoint's."


def embedded_spec(case: Case) -> tuple[Check, ...]:
    """Compare the embedded spec, the inputs that its preprocessing produces, and the self-test's logits and limits."""
    if not case.opened.artifact.has_spec:
        nothing = _NOTHING.format("A function" if case.is_function else "The file")
        asked = {"spec": "embedded spec", "preprocessing": "no images", "self-test": "no images"}
        return tuple(
            Check(name, words, "not_applicable", detail=nothing, group=_GROUP) for name, words in asked.items()
        )
    found, reference = case.spec, case.reference
    return (
        _spec(found, reference.checkpoint),
        _preprocessing(found, reference),
        _self_test(found, reference),
        *raw_input(case, _frames(reference)),
    )


def _spec(found: ModelSpec, checkpoint: Checkpoint) -> Check:
    """Compare all fields except those that only artifacts have, such as the self-test if the checkpoint has none."""
    expected = checkpoint.spec
    ignored = _ONLY_AN_ARTIFACTS if expected.selftest is not None else (*_ONLY_AN_ARTIFACTS, "selftest")
    accepted = not models.is_safe(expected.architecture) and is_same(
        found.architecture, checkpoint.config.get(CODE, "")
    )
    if found.precision != FLOAT32:
        ignored = (*ignored, *_OF_THE_PRECISION)
    if found.origin != EXPORTED:
        ignored = (*ignored, *_OF_THEIR_GRAPH)
    if found.origin == UNPROVEN:
        ignored = (*ignored, *_OF_THE_NETWORK)
    if None in (found.network_output, expected.network_output):
        ignored = (*ignored, "network_output")  # chosen by its shape: the logits are compared
    if "source" in checkpoint.config:
        ignored = (*ignored, "producer")  # third-party weights record none: it is this version of lenetx
    nameless = any(name.startswith(IN_MEMORY) for name in (found.architecture, expected.architecture))
    if nameless or accepted or is_same(found.architecture, expected.architecture):
        ignored = (*ignored, "architecture")
    differing = [
        f"{field.name} is {getattr(found, field.name)!r} instead of {getattr(expected, field.name)!r}"
        for field in dataclasses.fields(ModelSpec)
        if field.name not in ignored and getattr(found, field.name) != getattr(expected, field.name)
    ]
    problem = f"It is not the checkpoint's: {'; '.join(differing)}." if differing else None
    if found.weights_sha256 != expected.weights_sha256 and found.origin != UNPROVEN:
        problem = f"It was made of other weights: name its own checkpoint with --against. {problem}"
    detail = "Labels and preprocessing are the checkpoint's."
    if accepted:
        detail += f" Its network's code changed, and {code_accepted(checkpoint)}."
    return Check.verdict("spec", "embedded spec", problem, detail, group=_GROUP)


def _preprocessing(found: ModelSpec, reference: Reference) -> Check:
    """Compare the runtime's preprocessing with training's, bit for bit, on all grey levels, random and real images."""
    expected, frames = reference.checkpoint.spec, _frames(reference)
    subject = f"{len(frames)} images"
    if found.input_shape != expected.input_shape or found.frame_size != expected.frame_size:
        shapes = f"Inputs are {list(found.input_shape)} instead of {list(expected.input_shape)}."
        return Check("preprocessing", subject, "failed", detail=shapes, group=_GROUP)
    runtime, training = normalise(frames, found), _as_in_training(frames, expected)
    differing = int((runtime.view(np.uint32) != training.view(np.uint32)).sum())
    problem = f"{differing:,} of {training.size:,} numbers differ from those in training." if differing else None
    return Check.verdict("preprocessing", subject, problem, "Bit for bit as in training.", group=_GROUP)


def _self_test(found: ModelSpec, reference: Reference) -> Check:
    """Recompute the embedded self-test, which a device without torch relies on."""
    name, selftest, checkpoint = "self-test", found.selftest, reference.checkpoint
    if selftest is None:
        return Check(name, "no images", "not_applicable", detail="It has none.", group=_GROUP)
    calibrated = reference.plan.method == "self-calibrated"
    words = f"{len(selftest.logits)} golden images"
    if not selftest.fits(checkpoint.spec):
        return Check(name, words, "failed", detail="They are not of the network's size or classes.", group=_GROUP)
    right = reference.golden(selftest.frames(checkpoint.spec))
    logits, limits = np.array(selftest.logits), np.array(selftest.limits)
    off = np.abs(logits - right.exact) > _SELF_TEST * right.limits
    wide = np.abs(limits - right.limits) > _SELF_TEST * right.limits
    if calibrated:  # by eager's error on the machine that wrote the file, which may be another one
        wide = (limits > _MACHINES * right.limits) | (_MACHINES * limits < right.limits)
    problem = None
    if off.any() or wide.any():
        problem = f"{int(off.sum())} of its logits and {int(wide.sum())} of its limits are not the network's."
    return Check.verdict(name, words, problem, "Logits and limits are the network's.", group=_GROUP)


def _frames(reference: Reference) -> NDArray[np.uint8]:
    """Return images with all levels in each channel, random images, and real ones if there are any."""
    spec = reference.checkpoint.spec
    shape = spec.frame_shape
    size, pixels = int(np.prod(shape)), int(np.prod(spec.frame_size))
    grey = np.resize(np.arange(256, dtype=np.uint8), (-(-256 // pixels), *spec.frame_size))
    levels = grey if spec.channels == 1 else np.repeat(grey[..., None], spec.channels, axis=-1)
    random = np.random.default_rng(5).integers(0, 256, (4, *shape), np.uint8)
    frames = reference.frames if reference.pictures is spec else None  # stated ones may have another size
    real = [] if frames is None else [frames[: max(1, min(_FRAMES, _NUMBERS // size))]]
    return np.concatenate([levels, random, *real])


def _as_in_training(frames: NDArray[np.uint8], spec: ModelSpec) -> NDArray[np.float32]:
    from ..data import Split
    from ..execution.devices import torch_device
    from ..frames.device_split import to_device

    split = to_device(Split(frames, np.zeros(len(frames), np.int64)), spec, torch_device("cpu"))
    inputs: NDArray[np.float32] = next(split.in_order(len(frames)))[0].numpy()
    return inputs
