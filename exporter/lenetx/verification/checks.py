"""The questions that need more than one comparison, each a function that gives one Check."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec
from lenetx_runtime.backend import Backend, run_in_batches

from .compare import compare
from .reference import Probe
from .report import Check

__all__ = ["BATCH_SIZES", "batch_sizes", "labels", "numbers", "real", "spec", "weights"]

BATCH_SIZES = (1, 2, 3, 7, 8, 64, 257)
_LISTED = 5


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
    """Compare the weights bit for bit, by name."""
    problems = [f"{name} is missing" for name in expected.keys() - found.keys()]
    problems += [f"{name} is unexpected" for name in found.keys() - expected.keys()]
    for name in expected.keys() & found.keys():
        ours, theirs = expected[name], found[name]
        if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
            problems.append(f"{name} is {theirs.dtype}{list(theirs.shape)} instead of {ours.dtype}{list(ours.shape)}")
        elif changed := int((ours.view(np.uint32) != theirs.view(np.uint32)).sum()):
            problems.append(f"{changed} of {ours.size} numbers in {name} differ")
    count = sum(array.size for array in expected.values())
    subject = f"{count:,} numbers in {len(expected)} tensors"
    detail = f"{'; '.join(sorted(problems)[:_LISTED])}." if problems else None
    return Check.verdict("weights", subject, detail, "Bit for bit the checkpoint's.")


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
    """Call the engine with each batch size by itself; one that is fixed must refuse another."""
    sizes = BATCH_SIZES if found.batch == "dynamic" else (found.batch,)
    subject = f"batches of {', '.join(map(str, sizes))}"
    results = [_one_size(backend, probe, size, subject) for size in sizes]
    failed = [result for result in results if result.status == "failed"]
    if failed:
        return failed[0]
    if found.batch != "dynamic" and _accepts(backend, probe, found.batch + 1):
        problem = f"It takes a batch of {found.batch + 1}, though its spec says {found.batch}."
        return Check("batch sizes", subject, "failed", detail=problem)
    return dataclasses.replace(results[0], measured=max(result.measured or 0.0 for result in results))


def labels(probe: Probe, logits: NDArray[np.float32], truth: NDArray[np.int64]) -> Check:
    """Count the images whose label differs from eager's: none may."""
    if logits.shape != probe.exact.shape:
        return Check("test labels", probe.subject, "failed", detail=f"There are logits of shape {logits.shape}.")
    ours, theirs = logits.argmax(axis=1), probe.exact.argmax(axis=1)
    flips = np.flatnonzero(ours != theirs)
    accuracy = f"Accuracy {(ours == truth).mean():.2%}, eager {(theirs == truth).mean():.2%}."
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


def _one_size(backend: Backend, probe: Probe, size: int, subject: str) -> Check:
    rows = np.arange(size) % len(probe.inputs)
    part = Probe(subject, probe.inputs[rows], probe.exact[rows], probe.eager[rows], probe.limit)
    try:
        logits = backend.run(part.inputs)
    except Exception as error:  # whatever an engine raises on a model that it cannot run
        reason = " ".join(str(error).split())
        return Check("batch sizes", subject, "failed", detail=f"A batch of {size} could not run: {reason}")
    result = compare("batch sizes", part, logits)
    return dataclasses.replace(result, detail=f"A batch of {size}: {result.detail}" if result.detail else "")


def _accepts(backend: Backend, probe: Probe, size: int) -> bool:
    try:
        backend.run(probe.inputs[np.arange(size) % len(probe.inputs)])
    except Exception:  # a refusal, in whatever class the engine has for it
        return False
    return True
