"""Compare the labels and the accuracy of an artifact in reduced precision with eager PyTorch's."""

import numpy as np

from lenetx_runtime import Classifier

from ..report import Check
from .case import Case
from .failures import could_not_run
from .real_data import mcnemar
from .reduced import ReducedReference
from .reference import counted

__all__ = ["accuracy"]

_GROUP = "real data"
_LISTED = 5
_NAMES = ("labels", "accuracy")


def accuracy(case: Case) -> tuple[Check, ...]:
    """Label every test image through the runtime, list the labels that differ, and limit the loss of accuracy."""
    reference = case.reference
    assert isinstance(reference, ReducedReference)
    probe = reference.real
    if probe is None or reference.frames is None:
        detail = reference.missing
        return tuple(Check(name, "test images", "not_run", detail=detail, group=_GROUP) for name in _NAMES)
    classifier = Classifier.from_backend(reference.pictured(case.spec), case.backend)
    try:
        found = np.array([each.index for each in classifier.predict_batch(list(reference.frames))])
    except Exception as error:  # an engine may raise any exception
        return tuple(Check(name, probe.subject, "failed", detail=could_not_run(error), group=_GROUP) for name in _NAMES)
    labels, exact, truth = reference.checkpoint.spec.labels, reference.exact(probe.inputs), reference.truth
    eager = exact.argmax(axis=1)
    changed = np.flatnonzero(found != eager)
    flips = [
        {
            "image": int(probe.indices[row]),
            "reference": labels[eager[row]],
            "artifact": labels[found[row]],
            "margin": float(exact[row, eager[row]] - exact[row, found[row]]),
            "explained": True,
        }
        for row in changed
    ]
    ours, theirs = found == truth, eager == truth
    chance = mcnemar(int((ours & ~theirs).sum()), int((theirs & ~ours).sum()))
    figures = {
        "kind": "flips",
        "flips": flips,
        "reference_accuracy": float(theirs.mean()),
        "artifact_accuracy": float(ours.mean()),
        "p_value": chance,
    }
    listed = "; ".join(
        f"{probe.kind} {flip['image']} from {flip['reference']} (reference) to {flip['artifact']}, margin "
        f"{flip['margin']:.3g}"
        for flip in flips[:_LISTED]
    )
    words = f"{counted(len(flips), 'label')} differ{'s' * (len(flips) == 1)}: {listed}. {probe.numbering}"
    drop = 100 * float(theirs.mean() - ours.mean())
    detail = f"Accuracy {ours.mean():.2%}, eager's {theirs.mean():.2%}: {_lost(drop)}; exact McNemar p = {chance:.3g}."
    if drop > reference.most_lost:
        detail += f" At most {reference.most_lost:g} points may be lost: --max-drop allows more."
    return (
        Check(
            "labels",
            probe.subject,
            "passed",
            len(flips),
            None,
            words if flips else "No label differs.",
            _GROUP,
            figures,
        ),
        Check(
            "accuracy",
            probe.subject,
            "passed" if drop <= reference.most_lost else "failed",
            max(drop, 0.0),
            reference.most_lost,
            detail,
            _GROUP,
        ),
    )


def _lost(drop: float) -> str:
    return f"{drop:.2f} points lost" if drop > 0 else f"{-drop:.2f} points gained" if drop < 0 else "none lost"
