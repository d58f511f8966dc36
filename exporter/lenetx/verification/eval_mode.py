"""Eval mode: the same images give the same logits, however often they are asked for, and nothing in it trains."""

import numpy as np

from ..report import Check
from .compare import shares, wrong_shape
from .reference import Reference
from .subject import Subject

__all__ = ["repeats"]

_GROUP = "eval mode"
_TIMES, _IMAGES = 3, 64


def repeats(subject: Subject, reference: Reference) -> Check:
    """Ask the same batch several times: each answer must be right, as the first one was."""
    probe = reference.real or reference.made_up("random inputs")
    size = min(_IMAGES, len(probe)) if subject.spec.batch == "dynamic" else subject.spec.batch
    words = f"{size} {probe.name}, {_TIMES} times"
    rows = probe.take(np.arange(size) % len(probe), words)
    worst = 0.0
    for time in range(1, _TIMES + 1):
        try:
            logits = subject.backend.run(rows.inputs)
        except Exception as error:  # whatever an engine raises on a model that it cannot run
            reason = f"It could not run: {' '.join(str(error).split())}"
            return Check("repeats", words, "failed", detail=reason, group=_GROUP)
        if problem := wrong_shape(rows, logits):
            return Check("repeats", words, "failed", detail=problem, group=_GROUP)
        worst = max(worst, float(shares(rows, logits).max()))
        if not worst <= 1:
            detail = (
                f"It is wrong when it is asked for time {time}: dropout, or statistics of the batch, may be at work."
            )
            return Check("repeats", words, "failed", worst, 1.0, detail, _GROUP)
    return Check("repeats", words, "passed", worst, 1.0, group=_GROUP)
