"""The questions that need more than one comparison, each a function that gives one Check."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec
from lenetx_runtime.backend import Backend, run_in_batches

from ..report import Check, Status
from .compare import compare
from .reference import Probe

__all__ = ["BATCH_SIZES", "batch_sizes", "constants", "labels", "numbers", "real", "spec", "weights"]

BATCH_SIZES = (1, 2, 3, 7, 8, 64, 257)
_LISTED = 5
_DEFINITIONS = frozenset(
    {0.0, 0.5, 1.0, 3.0, 6.0, 1 / 6, math.sqrt(2), math.sqrt(0.5), math.sqrt(2 / math.pi), 0.044715}
)
"""Of hard-swish, hard-sigmoid and GELU, where a format has no operator for them, and what changes nothing."""


def spec(found: ModelSpec, expected: ModelSpec) -> Check:
    """Compare the embedded spec with the checkpoint's, but for what only an artifact has."""
    expected = dataclasses.replace(expected, batch=found.batch, content_sha256=found.content_sha256)
    differing = [
        f"{field.name} is {getattr(found, field.name)!r} instead of {getattr(expected, field.name)!r}"
        for field in dataclasses.fields(ModelSpec)
        if getattr(found, field.name) != getattr(expected, field.name)
    ]
    problem = f"The embedded spec is not the checkpoint's: {'; '.join(differing)}." if differing else None
    return Check.verdict("spec", "embedded spec", problem, "Labels and preprocessing are the checkpoint's.")


def weights(found: Mapping[str, NDArray[np.float32]], expected: Mapping[str, NDArray[np.float32]]) -> Check:
    """Compare the weights bit for bit, by name; of tensors with the same bits a file may hold one."""
    held = {_bits(expected[name]) for name in expected.keys() & found.keys()}
    absent = sorted(name for name in expected.keys() - found.keys() if _bits(expected[name]) not in held)
    problems = [f"{name} is missing" for name in absent]
    problems += [f"{name} is unexpected" for name in sorted(found.keys() - expected.keys())]
    differing = []
    for name in sorted(expected.keys() & found.keys()):
        ours, theirs = expected[name], found[name]
        if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
            problems.append(f"{name} is {theirs.dtype}{list(theirs.shape)} instead of {ours.dtype}{list(ours.shape)}")
        elif changed := _changed(ours, theirs):
            differing.append(f"{changed} of {ours.size} numbers in {name} differ")
    problems += differing
    more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
    count = sum(array.size for array in expected.values())
    subject = f"{count:,} numbers in {len(expected)} tensors"
    detail = f"{'; '.join(problems[:_LISTED])}{more}." if problems else None
    return Check.verdict("weights", subject, detail, "Bit for bit the checkpoint's, batch norms folded.")


def _bits(array: NDArray[np.float32]) -> tuple[object, ...]:
    return array.dtype, array.shape, array.tobytes()


def _changed(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> int:
    """Count the numbers whose bits differ, in arrays of one shape and type."""
    bits = [np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(array.size, -1) for array in (ours, theirs)]
    return int((bits[0] != bits[1]).any(axis=1).sum())


def constants(found: frozenset[float], expected: frozenset[float]) -> Check:
    """Compare the numbers beside the weights with those that the network's own code computes with, as float32."""
    known = {float(np.float32(number)) for number in expected | _DEFINITIONS}
    strange = sorted(number for number in found if float(np.float32(number)) not in known)
    listed = ", ".join(f"{number:.9g}" for number in strange[:_LISTED])
    problem = f"The network's code holds no {listed}." if strange else None
    return Check.verdict("numbers", f"{len(found)} beside the weights", problem, "Each is one of the network's code.")


def numbers(name: str, backend: Backend, found: ModelSpec, probe: Probe) -> Check:
    """Compare the artifact's logits on a probe."""
    logits = _attempt(backend, found, probe)
    if isinstance(logits, str):
        return Check(name, probe.subject, "failed", detail=logits)
    return compare(name, probe, logits)


def real(backend: Backend, found: ModelSpec, probe: Probe, truth: NDArray[np.int64]) -> tuple[Check, Check]:
    """Compare the artifact's logits on the test split, and the labels that follow from them."""
    logits = _attempt(backend, found, probe)
    if isinstance(logits, str):
        failed = Check("real inputs", probe.subject, "failed", detail=logits)
        return failed, dataclasses.replace(failed, name="test labels")
    return compare("real inputs", probe, logits), labels(probe, logits, truth)


def batch_sizes(backend: Backend, found: ModelSpec, probe: Probe) -> Check:
    """Compare the rows of each batch size with what the same images give one by one, within both rows' limits.

    A fixed batch size must refuse another one, and its rows must not depend on their place in the batch.
    """
    sizes = BATCH_SIZES if found.batch == "dynamic" else (found.batch,)
    subject = f"batches of {', '.join(map(str, sizes))}"
    try:
        worst_row, problem = _rows_agree(backend, found, probe, sizes)
    except Exception as error:  # whatever an engine raises on a batch that it cannot run
        return Check("batch sizes", subject, "failed", detail=f"It could not run: {' '.join(str(error).split())}")
    status: Status = "failed" if problem else "passed"
    return Check("batch sizes", subject, status, worst_row, 2 * probe.limit, problem or "")


def labels(probe: Probe, logits: NDArray[np.float32], truth: NDArray[np.int64]) -> Check:
    """Count the images whose label differs from the float64 reference's: none may."""
    if logits.shape != probe.exact.shape:
        return Check("test labels", probe.subject, "failed", detail=f"There are logits of shape {logits.shape}.")
    ours, theirs = logits.argmax(axis=1), probe.exact.argmax(axis=1)
    flips = np.flatnonzero(ours != theirs)
    accuracy = f"Accuracy {(ours == truth).mean():.2%}, the reference's {(theirs == truth).mean():.2%}."
    if not len(flips):
        return Check("test labels", probe.subject, "passed", 0, 0, f"No label flips. {accuracy}")
    listed = ", ".join(f"image {i} from {theirs[i]} to {ours[i]}" for i in flips[:_LISTED])
    detail = f"{len(flips)} labels flip: {listed}. {accuracy}"
    return Check("test labels", probe.subject, "failed", len(flips), 0, detail)


def _attempt(backend: Backend, found: ModelSpec, probe: Probe) -> NDArray[np.float32] | str:
    """Give the logits, or why there are none: an artifact that should run and cannot has failed."""
    try:
        return run_in_batches(backend, probe.inputs, found)
    except Exception as error:  # whatever an engine raises on a model that it cannot run
        return f"It could not run: {' '.join(str(error).split())}"


def _rows_agree(backend: Backend, found: ModelSpec, probe: Probe, sizes: tuple[int, ...]) -> tuple[float, str | None]:
    """Give the largest |Δlogit| between a row in a batch and by itself, and what is wrong."""
    images = probe.inputs[np.arange(max(sizes)) % len(probe.inputs)]
    if found.batch == "dynamic":
        alone = np.concatenate([backend.run(images[row : row + 1]) for row in range(len(images))])
    else:
        alone = backend.run(images[::-1].copy())[::-1]
        if _accepts(backend, np.concatenate([images, images[:1]])):
            return 0.0, f"It takes a batch of {found.batch + 1}, though its spec says {found.batch}."
    largest = 0.0
    for size in sizes:
        logits = backend.run(images[:size])
        if logits.shape != alone[:size].shape:
            return float("inf"), f"A batch of {size} gives logits of shape {list(logits.shape)}."
        difference = float(np.abs(logits.astype(np.float64) - alone[:size]).max())
        if not difference <= 2 * probe.limit:  # written so that NaN fails
            return difference, f"A batch of {size} differs from the same images one by one by {difference:.3g}."
        largest = max(largest, difference)
    return largest, None


def _accepts(backend: Backend, images: NDArray[np.float32]) -> bool:
    try:
        backend.run(images)
    except Exception:  # a refusal, in whatever class the engine has for it
        return False
    return True
