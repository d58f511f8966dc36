"""Compare labels and accuracy on real images with the reference, and count the labels that rounding cannot flip."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import Classifier

from ..report import Check
from .case import Case
from .failures import could_not_run
from .reference import Probe, Reference, counted

__all__ = ["certain", "certificate", "flips", "labels", "mcnemar", "real_data"]

_GROUP = "real data"
_LISTED = 5
_UNLIKELY = 1e-6
"""The p-value below which flips count as systematic."""
_NAMES = ("labels", "accuracy", "margin certificate")


def real_data(case: Case) -> tuple[Check, ...]:
    """Label every test image through the runtime, as an application would, and compare with the float64 reference."""
    reference = case.reference
    probe = reference.real
    if probe is None or reference.frames is None:
        missing = reference.missing
        return tuple(Check(name, "test images", "not_run", detail=missing, group=_GROUP) for name in _NAMES)
    classifier = Classifier.from_backend(reference.pictured(case.spec), case.backend)
    try:
        found = [each.label for each in classifier.predict_batch(list(reference.frames))]
    except Exception as error:  # an engine may raise any exception
        return tuple(Check(name, probe.subject, "failed", detail=could_not_run(error), group=_GROUP) for name in _NAMES)
    return (*labels(found, probe, reference), certificate(probe, _GROUP))


def labels(found: Sequence[str], probe: Probe, reference: Reference) -> tuple[Check, Check]:
    """Compare the labels that an artifact gave to the test images with the reference's."""
    expected = reference.checkpoint.spec.labels
    right = [expected[column] for column in probe.exact.argmax(axis=1)]
    truth = [expected[label] for label in reference.truth]
    accuracies = _accuracies(found, right, truth)
    return flips(probe, found, right, expected, accuracies, _GROUP), _accuracy(probe, accuracies)


def certain(probe: Probe) -> NDArray[np.bool_]:
    """Return bool[N]: z_top − z_j > limit_top + limit_j for every other j, so that rounding cannot flip the label."""
    rows, top = np.arange(len(probe)), probe.exact.argmax(axis=1)
    gaps = probe.exact[rows, top][:, None] - probe.exact
    margins = gaps > probe.limits[rows, top][:, None] + probe.limits
    margins[rows, top] = True
    found: NDArray[np.bool_] = margins.all(axis=1)
    return found


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test for two classifiers on the same images.

    Source: McNemar 1947, with the binomial distribution instead of χ².

    Args:
        only_first: the number of images that only the first classifier labels correctly.
        only_second: the number of images that only the second classifier labels correctly.
    """
    count, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(count, each) for each in range(fewer + 1))
    chance: float = 2 * tail / 2**count
    return min(1.0, chance)


def flips(
    probe: Probe,
    found: Sequence[str],
    right: Sequence[str],
    names: tuple[str, ...],
    accuracies: Mapping[str, float],
    group: str,
) -> Check:
    """List the images whose label differs from the reference's, and fail if rounding cannot explain one of them.

    Args:
        probe: N inputs with their right logits.
        found: the artifact's N labels.
        right: the reference's N labels.
        names: all K labels, in the order of the logits.
        accuracies: more values for the figures.
        group: the check's group.
    """
    changed = [_flip(probe, row, found[row], names) for row in range(len(probe)) if found[row] != right[row]]
    wrong = [flip for flip in changed if not flip["explained"]]
    figures = {"kind": "flips", "flips": changed, **accuracies}
    if not changed:
        return Check("labels", probe.subject, "passed", 0, 0, "No label flips.", group, figures)
    listed = "; ".join(
        f"{probe.kind} {flip['image']} from {flip['reference']} (reference) to {flip['artifact']}, "
        f"margin {flip['margin']:.3g}"
        for flip in (wrong or changed)[:_LISTED]
    )
    flipping = f"{counted(len(changed), 'label')} flip{'s' if len(changed) == 1 else ''}"
    if wrong:
        detail = f"{flipping}, of which rounding cannot explain {len(wrong)}: {listed}. {probe.numbering}"
        return Check("labels", probe.subject, "failed", len(wrong), 0, detail, group, figures)
    detail = f"{flipping}, and rounding explains each: {listed}. {probe.numbering}"
    return Check("labels", probe.subject, "passed", 0, 0, detail, group, figures)


def _flip(probe: Probe, row: int, found: str, names: tuple[str, ...]) -> dict[str, object]:
    exact, limits = probe.exact[row], probe.limits[row]
    top = int(exact.argmax())
    other = names.index(found) if found in names else None
    margin = float(exact[top] - exact[other]) if other is not None else math.inf
    explained = other is not None and bool(margin <= limits[top] + limits[other])
    image = int(probe.indices[row])
    return {"image": image, "reference": names[top], "artifact": found, "margin": margin, "explained": explained}


def _accuracies(found: Sequence[str], right: Sequence[str], truth: Sequence[str]) -> Mapping[str, float]:
    ours = np.array([a == b for a, b in zip(found, truth, strict=True)])
    theirs = np.array([a == b for a, b in zip(right, truth, strict=True)])
    return {
        "reference_accuracy": float(theirs.mean()),
        "artifact_accuracy": float(ours.mean()),
        "p_value": mcnemar(int((ours & ~theirs).sum()), int((theirs & ~ours).sum())),
    }


def _accuracy(probe: Probe, accuracies: Mapping[str, float]) -> Check:
    ours, theirs, chance = (accuracies[name] for name in ("artifact_accuracy", "reference_accuracy", "p_value"))
    detail = f"Accuracy {ours:.2%}, the reference's {theirs:.2%}; exact McNemar p = {chance:.3g}."
    if chance >= _UNLIKELY:
        return Check("accuracy", probe.subject, "passed", ours, None, detail, _GROUP)
    detail += " So many flips in one direction are not chance, even though rounding explains each."
    return Check("accuracy", probe.subject, "failed", ours, None, detail, _GROUP)


def certificate(probe: Probe, group: str) -> Check:
    """Report how many labels no rounding can change; this check always passes."""
    sure = int(certain(probe).sum())
    share = sure / len(probe)
    detail = (
        f"No rounding can change the label of {sure:,} of {counted(len(probe), probe.kind)} ({share:.2%}), if the "
        "assumptions of the limits hold."
    )
    figures = {"kind": "margins", "certified": sure, "images": len(probe)}
    return Check("margin certificate", probe.subject, "passed", share, None, detail, group, figures)
