"""Check eval mode: no operator is in training mode, and repeated runs of a batch stay correct."""

import numpy as np

from ..formats.artifact import OpenedArtifact
from ..report import Check
from .case import Case
from .compare import shares, wrong_shape
from .failures import could_not_run
from .reference import counted

__all__ = ["eval_mode"]

_GROUP = "eval mode"
_TIMES, _IMAGES = 3, 64


def eval_mode(case: Case) -> tuple[Check, ...]:
    """Look for operators in training mode, and run the same batch repeatedly."""
    return (_training(case.opened), _repeats(case))


def _training(opened: OpenedArtifact) -> Check:
    name, words = "training operators", "all operators"
    if opened.training is None:
        return Check(name, words, "not_applicable", detail="It shows none of its operators.", group=_GROUP)
    try:
        found = opened.training()
    except Exception as error:  # an engine may raise any exception
        return Check(name, words, "failed", detail=could_not_run(error), group=_GROUP)
    problem = f"They run as in training: {', '.join(found[:5])}." if found else None
    return Check.verdict(name, words, problem, "None drops or takes statistics of the batch.", group=_GROUP)


def _repeats(case: Case) -> Check:
    """Run the same batch several times: the logits must be within their limits each time."""
    reference = case.reference
    probe = reference.real or reference.synthetic("random inputs")
    size = min(_IMAGES, len(probe)) if case.spec.batch == "dynamic" else case.spec.batch
    words = f"{counted(size, probe.name.removesuffix('s'))}, {_TIMES} times"
    rows = probe.take(np.arange(size) % len(probe), words)
    worst, first = 0.0, None
    for time in range(1, _TIMES + 1):
        try:
            logits = case.backend.run(rows.inputs)
        except Exception as error:  # an engine may raise any exception
            return Check("repeats", words, "failed", detail=could_not_run(error), group=_GROUP)
        if problem := wrong_shape(rows, logits):
            return Check("repeats", words, "failed", detail=problem, group=_GROUP)
        worst = float(np.maximum(worst, shares(rows, logits).max()))  # max() would drop NaN
        if first is None:
            first = logits
        changed = not np.array_equal(first, logits, equal_nan=True)
        if not worst <= 1 and changed:
            detail = (
                f"Run {time} gives another answer, which is wrong: dropout, or what it keeps between "
                "calls, may be at work."
            )
            return Check("repeats", words, "failed", worst, 1.0, detail, _GROUP)
    if worst <= 1:
        return Check("repeats", words, "passed", worst, 1.0, group=_GROUP)
    detail = "It is wrong from the first time on, and the same each time: see end to end."
    return Check("repeats", words, "failed", worst, 1.0, detail, _GROUP)
