"""When an artifact and eager PyTorch disagree: who is wrong, the exporter or the engine?"""

import numpy as np

from ..artifact import OpenedArtifact
from ..report import Check
from .compare import shares, wrong_shape
from .failures import reason
from .reference import Probe, Reference
from .subject import Subject

__all__ = ["quarrel"]

_GROUP = _NAME = "quarrel"
_NUMERIC = ("layers", "end to end", "batch axis", "engines", "hard inputs", "real data", "eval mode")
_ROWS = 4
_NO_MEMORY = "is smaller than requested bytes"
"""onnxruntime's words for a model beyond its bound."""


def quarrel(opened: OpenedArtifact, subject: Subject, reference: Reference, asked: tuple[Check, ...]) -> Check:
    """Let the format's own definition decide, on the inputs where the artifact is furthest from right.

    Args:
        opened: the artifact.
        subject: the same, with the answers that it has given.
        reference: what is right.
        asked: all checks so far.
    """
    if opened.artifact.is_function:
        detail = "Nothing but its own answers defines what a function computes."
        return Check(_NAME, "function and eager", "not_applicable", detail=detail, group=_GROUP)
    if not any(check.status == "failed" and check.group in _NUMERIC for check in asked):
        return Check(_NAME, "artifact and eager", "not_applicable", detail="They agree.", group=_GROUP)
    if opened.evaluate is None:
        detail = "Nothing but its engine defines what this format computes."
        return Check(_NAME, "artifact and eager", "not_applicable", detail=detail, group=_GROUP)
    if _NO_MEMORY in str(subject.logits(reference.made_up("random inputs"))):  # the evaluator would take it
        detail = "It asks for more memory than any honest network of its size."
        return Check(_NAME, "artifact and eager", "not_applicable", detail=detail, group=_GROUP)
    rows, disagree = _worst(subject, reference)
    words = f"{len(rows)} inputs, by onnx's ReferenceEvaluator"
    try:
        logits = opened.evaluate(rows.inputs).astype(np.float32)
    except Exception as error:  # whatever the evaluator raises on a graph that it cannot follow
        return Check(_NAME, words, "failed", detail=f"The file itself is wrong: {reason(error)}", group=_GROUP)
    problem = wrong_shape(rows, logits)
    share = float("inf") if problem else float(shares(rows, logits).max())
    if share <= 1 and disagree:
        detail = "The file is right: the engine that ran it computes something else."
    elif share <= 1:
        detail = "The file is right, and its engine too as it runs by default: see which way to run it failed."
    else:
        detail = "The file itself is wrong: the exporter, or someone after it, wrote another network."
    return Check(_NAME, words, "failed", share, 1.0, detail, _GROUP)


def _worst(subject: Subject, reference: Reference) -> tuple[Probe, bool]:
    """Give the inputs with the largest shares of their limits, and whether any is beyond it."""
    probes = [reference.made_up("random inputs"), *filter(None, [reference.real])]
    found: list[tuple[float, Probe]] = []
    for probe in probes:
        logits = subject.logits(probe)
        if isinstance(logits, str) or wrong_shape(probe, logits):
            found.append((float("inf"), probe.take(np.arange(min(_ROWS, len(probe))), probe.subject)))
            continue
        used = shares(probe, logits).max(axis=1)
        rows = np.argsort(-used, kind="stable")[:_ROWS]
        found.append((float(used[rows[0]]), probe.take(rows, probe.subject)))
    share, worst = max(found, key=lambda each: each[0])
    return worst, not share <= 1
