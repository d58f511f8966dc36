"""Find out whether the file or the engine is wrong if an artifact disagrees with eager PyTorch."""

import numpy as np

from ..report import Check
from ..report.outcome import CHOICE
from ..report.registry import NUMERIC
from .case import Case
from .choices import choice_of
from .compare import shares, wrong_shape
from .failures import reason
from .reference import Probe

__all__ = ["diagnosis"]

_GROUP = _NAME = "diagnosis"
_ROWS, _IMAGES = 4, 16
_LOGITS = frozenset(NUMERIC) - {"layers", "real data"}
"""Groups whose failures mean that logits are beyond their limits."""
_WITHIN = "Its logits are within their limits: the checks that failed say what is wrong."
_NO_MEMORY = "is smaller than requested bytes"
"""Part of onnxruntime's error for a model that exceeds its memory limit."""


def diagnosis(case: Case) -> tuple[Check, ...]:
    """Run the format's reference implementation on the inputs with the largest errors.

    A program of another author may differ by choice: then a check ``choice`` says how, and replaces the diagnosis.
    """
    is_wrong = any(check.status == "failed" and check.group in NUMERIC for check in case.found)
    choice = choice_of(case) if is_wrong and (case.is_foreign or case.is_function) else None
    if choice is None:
        return (_diagnose(case),)
    detail, by_choice = choice
    name = CHOICE if by_choice else _NAME
    return (Check(name, f"{_IMAGES} inputs, artifact and eager", "failed", detail=detail, group=_GROUP),)


def _diagnose(case: Case) -> Check:
    opened = case.opened
    if opened.artifact.is_function:
        detail = "A function is defined only by its own results."
        return Check(_NAME, "function and eager", "not_applicable", detail=detail, group=_GROUP)
    if not any(check.status == "failed" and check.group in _LOGITS for check in case.found):
        detail = "They agree." if not any(check.status == "failed" for check in case.found) else _WITHIN
        return Check(_NAME, "artifact and eager", "not_applicable", detail=detail, group=_GROUP)
    if opened.evaluate is None:
        detail = "This format is defined only by its engine."
        return Check(_NAME, "artifact and eager", "not_applicable", detail=detail, group=_GROUP)
    if _NO_MEMORY in str(case.logits(case.reference.synthetic("random inputs"))):  # the evaluator has no memory limit
        detail = "It needs more memory than an honest network of its size would."
        return Check(_NAME, "artifact and eager", "not_applicable", detail=detail, group=_GROUP)
    rows, disagree = _worst(case)
    words = f"{len(rows)} inputs, by onnx's ReferenceEvaluator"
    try:
        logits = opened.evaluate(rows.inputs).astype(np.float32)
    except Exception as error:  # the evaluator may raise any exception
        return Check(_NAME, words, "failed", detail=f"The file itself is wrong: {reason(error)}", group=_GROUP)
    problem = wrong_shape(rows, logits)
    share = float("inf") if problem else float(shares(rows, logits).max())
    if share <= 1 and disagree:
        detail = "The file is right: the engine that ran it computes something different."
    elif share <= 1:
        detail = (
            "The logits of these inputs are right, in the file and in its engine as it runs by default: "
            "the checks that failed say what is wrong."
        )
    else:
        detail = "The file itself is wrong: the exporter, or someone after it, wrote another network."
    return Check(_NAME, words, "failed", share, 1.0, detail, _GROUP)


def _worst(case: Case) -> tuple[Probe, bool]:
    """Return the inputs with the largest errors relative to their limits, and whether any exceeds its limit."""
    probes = [case.reference.synthetic("random inputs"), *filter(None, [case.reference.real])]
    found: list[tuple[float, Probe]] = []
    for probe in probes:
        logits = case.logits(probe)
        if isinstance(logits, str) or wrong_shape(probe, logits):
            found.append((float("inf"), probe.take(np.arange(min(_ROWS, len(probe))), probe.subject)))
            continue
        used = shares(probe, logits).max(axis=1)
        rows = np.argsort(-used, kind="stable")[:_ROWS]
        found.append((float(used[rows[0]]), probe.take(rows, probe.subject)))
    share, worst = max(found, key=lambda each: each[0])
    return worst, not share <= 1
