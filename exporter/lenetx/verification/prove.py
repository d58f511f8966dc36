"""All questions, asked of one opened artifact."""

import dataclasses
import os
import platform
from importlib import metadata

from ..artifact import OpenedArtifact
from ..report import Check, Report
from . import checks
from .limits import MULTIPLE
from .reference import Reference

__all__ = ["prove"]

_PACKAGES = ("lenetx", "lenetx-runtime", "torch", "numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "pillow")


def prove(opened: OpenedArtifact, reference: Reference, *, also: tuple[Check, ...] = ()) -> Report:
    """Compare an artifact with its checkpoint in every way that is known here.

    Args:
        opened: the artifact, reopened from disk.
        reference: the checkpoint with the inputs and their right answers.
        also: checks that the caller has made of the file already.
    """
    found, backend = opened.artifact.spec, opened.backend
    checkpoint = reference.checkpoint
    expected = {name: tensor.numpy() for name, tensor in reference.usage.tensors.items()}
    asked = [
        *also,
        *opened.structure,
        checks.spec(found, checkpoint.spec),
        checks.weights(opened.weights, expected),
        checks.constants(opened.numbers, reference.usage.numbers),
        checks.numbers("random inputs", backend, found, reference.random),
        checks.numbers("constant inputs", backend, found, reference.constant),
        checks.numbers("saturated inputs", backend, found, reference.saturated),
        checks.batch_sizes(backend, found, reference.random),
        *_real(opened, reference),
    ]
    return Report(tuple(asked), _environment(opened), _artifact(opened), _reference(reference))


def _real(opened: OpenedArtifact, reference: Reference) -> tuple[Check, Check]:
    probe = reference.real
    if probe is None or reference.dataset is None:
        unseen = Check("real inputs", "test images", "not_run", detail=reference.missing)
        return unseen, dataclasses.replace(unseen, name="test labels")
    return checks.real(opened.backend, opened.artifact.spec, probe, reference.dataset.test.labels)


def _environment(opened: OpenedArtifact) -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        **versions,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "device": opened.backend.device,
    }


def _artifact(opened: OpenedArtifact) -> dict[str, str | int]:
    artifact = opened.artifact
    return {
        "name": artifact.path.name,
        "format": artifact.format,
        "precision": artifact.precision,
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
    }


def _reference(reference: Reference) -> dict[str, str]:
    spec, config = reference.checkpoint.spec, reference.checkpoint.config
    assumed = {"input": str(config["input"])} if "input" in config else {}
    return assumed | {
        "architecture": spec.architecture,
        "weights_sha256": spec.weights_sha256,
        "arithmetic": "eager PyTorch, eval mode, float64",
        "limit": f"{MULTIPLE} x the largest error of eager float32 on the same inputs, or of one rounding",
        "data": reference.dataset.name if reference.dataset else "none",
    }
