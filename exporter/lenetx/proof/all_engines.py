"""Check an artifact in every run that this machine has for it: optimisation, threads, execution providers."""

import numpy as np

from ..formats.artifact import OpenedArtifact, Run
from ..report import Check
from .case import Case, answer
from .compare import compare
from .failures import reason
from .reference import Probe

__all__ = ["engines"]

_GROUP = "engines"
_IMAGES = 512


def engines(case: Case) -> tuple[Check, ...]:
    """Compare the logits of each run with the reference; a run that cannot be opened as requested fails."""
    opened, reference = case.opened, case.reference
    probe = reference.real or reference.synthetic("random inputs")
    if len(probe) > _IMAGES:
        probe = probe.take(np.arange(_IMAGES), f"{_IMAGES} of {probe.subject}")
    if not opened.runs:
        subject = "function" if case.is_function else "artifact"
        return (Check("engines", subject, "not_applicable", detail="There is one way to run it.", group=_GROUP),)
    checks = [_one(run, opened, probe) for run in opened.runs]
    runs = [
        {"engine": check.name, "share": check.share, "comparisons": probe.exact.size}
        for check in checks
        if check.share is not None
    ]
    return (checks[0].with_figures({"kind": "runs", "runs": runs}) if runs else checks[0], *checks[1:])


def _one(run: Run, opened: OpenedArtifact, probe: Probe) -> Check:
    if run.missing:
        return Check(run.name, probe.subject, "not_applicable", detail=run.missing, group=_GROUP)
    try:
        backend = run.open()
    except Exception as error:  # an engine may raise any exception
        problem = f"It was requested and did not run: {reason(error)}"
        return Check(run.name, probe.subject, "failed", detail=problem, group=_GROUP)
    return compare(run.name, _GROUP, probe, answer(backend, opened.artifact.spec, probe))
