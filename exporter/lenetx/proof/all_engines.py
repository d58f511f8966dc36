"""Check an artifact in every run that this machine has for it: optimisation, threads, execution providers."""

import dataclasses
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lenetx_runtime import EngineMissing
from lenetx_runtime.backend import Backend

from ..formats.artifact import OpenedArtifact, Run
from ..report import Check
from ..report.check import Status
from .batch_axis import batch_axis
from .case import Case, answer
from .compare import compare
from .end_to_end import end_to_end, hard_inputs
from .failures import reason
from .real_data import labels
from .reference import Probe

__all__ = ["engines"]

_GROUP = "engines"
_IMAGES = 512


def engines(case: Case) -> tuple[Check, ...]:
    """Compare the logits of each run with the reference; a run that cannot be opened as requested fails.

    Raises:
        EngineMissing: what a whole run needs is not there although it was not known to be missing.
    """
    opened, reference = case.opened, case.reference
    probe = reference.real or reference.synthetic("random inputs")
    if len(probe) > _IMAGES:
        probe = probe.take(np.arange(_IMAGES), f"{_IMAGES} of {probe.subject}")
    if not opened.runs:
        subject = "function" if case.is_function else "artifact"
        return (Check("engines", subject, "not_applicable", detail="There is one way to run it.", group=_GROUP),)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # while one run is checked, compilers prepare the next
        opening = {run.name: pool.submit(run.open) for run in opened.runs if run.is_whole and not run.missing}
        checks = [
            _whole(run, opening[run.name].result, case) if run.name in opening else _one(run, opened, probe)
            for run in opened.runs
        ]
    runs = [
        {"engine": check.name, "share": check.share, "comparisons": probe.exact.size}
        for check in checks
        if check.share is not None
    ]
    return (checks[0].with_figures({"kind": "runs", "runs": runs}) if runs else checks[0], *checks[1:])


def _whole(run: Run, opening: Callable[[], Backend], case: Case) -> Check:
    """Repeat every check that runs the artifact; return the first that failed, or the one closest to its limit."""
    try:
        opened = dataclasses.replace(case.opened, backend=opening())
    except EngineMissing:  # trouble of this machine is no fault of the file
        raise
    except Exception as error:  # a compiler or an engine may raise any exception
        problem = f"It was requested and did not run: {reason(error)}"
        return Check(run.name, "every check that runs it", "failed", detail=problem, group=_GROUP)
    again, real = Case(opened, case.reference), case.reference.real
    found = [each for check in (end_to_end, batch_axis, hard_inputs) for each in check(again) if each.ran]
    logits = None if real is None else again.logits(real)
    if real is not None and isinstance(logits, np.ndarray):
        names = case.reference.checkpoint.spec.labels
        found += labels([names[column] for column in logits.argmax(axis=1)], real, case.reference)
    closest = max(found, key=lambda each: (each.status == "failed", each.share or 0))
    words = "" if closest.status == "failed" else f"All passed; {closest.name} came closest. "
    detail = f"{words}{closest.detail}"
    subject = f"{len(found)} checks, from random inputs to every label"
    return Check(run.name, subject, closest.status, closest.measured, closest.limit, detail, _GROUP)


def _one(run: Run, opened: OpenedArtifact, probe: Probe) -> Check:
    if run.missing:
        status: Status = "not_run" if run.is_whole else "not_applicable"
        return Check(run.name, probe.subject, status, detail=run.missing, group=_GROUP)
    try:
        backend = run.open()
    except Exception as error:  # an engine may raise any exception
        problem = f"It was requested and did not run: {reason(error)}"
        return Check(run.name, probe.subject, "failed", detail=problem, group=_GROUP)
    return compare(run.name, _GROUP, probe, answer(backend, opened.artifact.spec, probe))
