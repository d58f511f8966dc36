"""Run all checks on one opened artifact."""

import importlib
import os
import platform
from collections.abc import Callable
from importlib import metadata
from typing import cast

from lenetx_runtime.spec import FLOAT16, FLOAT32

from ..execution.host import standard_settings
from ..formats.artifact import OpenedArtifact
from ..graph.expression import plain
from ..report import Check, Report
from ..report.registry import REGISTRY, Group
from ..weights.accepted import code_accepted
from ..weights.checkpoint import CODE
from ..weights.in_memory import MODULE
from .case import Case
from .forked import ForkedOutcome, run_forked
from .raw_input import RawReference
from .reduced import GraphReference, RoundedReference
from .reference import Reference, counted

__all__ = ["about_artifact", "about_reference", "environment", "prove"]

_PACKAGES = ("lenetx", "lenetx-runtime", "torch", "numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "pillow")


@standard_settings()
def prove(
    opened: OpenedArtifact,
    reference: Reference,
    *,
    also: tuple[Check, ...] = (),
    on_progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run all checks of an artifact against its checkpoint and return the report.

    Args:
        opened: the artifact, reopened from disk, or a function.
        reference: the checkpoint with the inputs and their correct logits.
        also: results of checks that the caller has run already.
        on_progress: called with a few words on each step.
    """
    if opened.preprocessing is not None:
        reference = RawReference(reference)
    if opened.reduced is not None:
        reference = GraphReference(reference, opened.reduced, opened.artifact.precision)
    elif opened.artifact.precision == FLOAT16:
        reference = RoundedReference(reference)
    fixed = opened.artifact.spec.batch
    forked = run_forked(opened, (1, 0) if fixed == "dynamic" else (fixed,))
    if forked is not None and forked.crashed_at:
        return Report((*also, *opened.structure, _crashed(forked)), *_about(opened, reference))
    case = Case(opened, reference, forked=forked, found=[*also, *opened.structure])
    for group in REGISTRY:
        if group.check is not None:
            on_progress(f"{opened.artifact.path.name}: {group.name}")
            case.found += _check(_function(group, opened) or group.check)(case)
    return Report(tuple(case.found), *_about(opened, reference))


def _function(group: Group, opened: OpenedArtifact) -> str:
    if opened.reduced is not None:
        return group.reduced
    return group.rounded if opened.artifact.precision == FLOAT16 else ""


def _check(where: str) -> Callable[[Case], tuple[Check, ...]]:
    module, name = where.split(":")
    return cast("Callable[[Case], tuple[Check, ...]]", getattr(importlib.import_module(module), name))


def _crashed(forked: ForkedOutcome) -> Check:
    """Return the failed check that replaces all others if running the artifact crashes the process."""
    words = f"{counted(forked.crashed_at or 0, 'image')}, in a process of their own"
    detail = f"Running it crashes the process ({forked.signal}); no other check was run."
    return Check("batch sizes", words, "failed", detail=detail, group="batch axis")


def _about(
    opened: OpenedArtifact, reference: Reference
) -> tuple[dict[str, str], dict[str, str | int], dict[str, str | int]]:
    return environment(opened.backend.device), about_artifact(opened), about_reference(reference)


def environment(device: str) -> dict[str, str]:
    """Return the versions of packages, the machine and the device, in words."""
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
        "device": device,
    }


def about_artifact(opened: OpenedArtifact) -> dict[str, str | int]:
    """Return a description of an artifact for the report: name, format, precision and, of a file, digest and size."""
    artifact = opened.artifact
    about: dict[str, str | int] = {
        "name": artifact.path.name,
        "format": artifact.format,
        "precision": artifact.precision,
    }
    if artifact.is_function:
        return about
    about |= {"sha256": artifact.sha256, "size_bytes": artifact.size_bytes}
    if artifact.precision == FLOAT16 and opened.reduced is None:
        about["arithmetic"] = FLOAT32
    if artifact.spec.raw_input:
        about["input"] = f"uint8[N, {', '.join(map(str, artifact.spec.frame_shape))}]"
    if artifact.is_foreign:
        about["origin"] = artifact.spec.origin if artifact.has_spec else "foreign"
        about |= {"batch": artifact.spec.batch} if artifact.spec.batch != "dynamic" else {}
        about |= {"output": plain(artifact.spec.output_name)} if artifact.others else {}
        about |= {"external_data": ", ".join(artifact.beside)} if artifact.beside else {}
    return about


def about_reference(reference: Reference) -> dict[str, str | int]:
    """Return a description of the reference for the report: checkpoint, network, limit and data."""
    spec, config = reference.checkpoint.spec, reference.checkpoint.config
    known: dict[str, str | int] = {"input": str(config["input"])} if "input" in config else {}
    if reference.file is not None:
        known["checkpoint"] = reference.file
    if MODULE in config:
        known["module"] = config[MODULE]
    if CODE in config:
        known["code"] = f"changed: {code_accepted(reference.checkpoint)}"
    return known | {
        "architecture": spec.architecture,
        "weights_sha256": spec.weights_sha256,
        "arithmetic": "eager PyTorch, eval mode, float64",
        "limit": reference.limit_words,
        "data": reference.dataset.name if reference.dataset else "none",
        "images": 0 if reference.frames is None else len(reference.frames),
    }
