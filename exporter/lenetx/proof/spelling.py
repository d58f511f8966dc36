"""Decide whether a foreign graph that is written differently from the network computes the same or something else."""

from dataclasses import replace

import numpy as np

from ..graph import Expression, Unknown, decisions, ordered
from ..report import Check
from .case import Case
from .compare import shares, wrong_shape

__all__ = ["another_spelling"]


_UNSEEN = "not every weight of the network was found in it"


def another_spelling(case: Case, weights: Check, numbers: Check, graph: Check) -> tuple[Check, Check, Check]:
    """Return the checks of the weights, numbers and graph of a foreign file with their final status.

    Programs write the same computation in many ways. So a difference fails only if the logits are wrong too, or if the
    file decides more by the numbers of an image than the network's code does: no input need show what it does then.
    A weight that was not found fails only if the logits are wrong; one that was found and changed always fails.
    """
    if weights.status == graph.status == "passed":
        return weights, numbers, graph
    if _is_wrong(case):
        return _of_other_weights(case, weights), numbers, graph
    if weights.status == "failed" and not _changed(case):
        detail = f"It was judged by its logits: {_UNSEEN}. {weights.detail}"
        weights = replace(weights, status="not_applicable", detail=detail)
    if graph.status == "failed" and not _is_read(case):
        return weights, numbers, graph
    if graph.status == "failed" and (more := _more_decisions(case)):
        detail = (
            f"It decides by the numbers of an image where the network's code does not ({more} more). {graph.detail}"
        )
        graph = replace(graph, detail=detail)
    elif graph.status == "failed":
        detail = f"It is not written as the network is, and was judged by its logits. {graph.detail}"
        graph = replace(graph, status="not_applicable", detail=detail)
    if numbers.status == "failed":
        detail = f"It was judged by its logits. {numbers.detail}"
        numbers = replace(numbers, status="not_applicable", detail=detail)
    return weights, numbers, graph


def _of_other_weights(case: Case, weights: Check) -> Check:
    """Report weights that were all found only by position as other weights."""
    matrices = {name for name, array in (case.opened.weights or {}).items() if array.ndim > 1}
    if weights.status != "failed" or not matrices <= case.opened.placed:
        return weights
    detail = "None of its weights is the checkpoint's, they fit by their shapes alone: name with --against the one of "
    return replace(weights, detail=f"{detail}which it was made. {weights.detail}")


def _changed(case: Case) -> bool:
    """Return whether a weight that was found by more than its position differs from the network's."""
    opened, expected = case.opened, case.view.usage.tensors
    own = _read(case.view.expression[0])
    used = None if own is None else {each.attributes.get("name") for each in ordered(own)}
    for name, found in (opened.weights or {}).items():
        is_used = used is None or case.view.expression[1].get(name, name) in used  # not only something computed of it
        if name in expected and name not in opened.placed and is_used:
            error = np.abs(found.astype(np.float64) - expected[name].numpy())
            if not (error <= opened.slack.get(name, np.zeros(()))).all():
                return True
    return False


def _is_wrong(case: Case) -> bool:
    """Return whether a logit of a random input is beyond its limit."""
    probe = case.reference.synthetic("random inputs")
    logits = case.logits(probe)
    if isinstance(logits, str) or wrong_shape(probe, logits):
        return True
    usable = np.isfinite(probe.eager).all(axis=1)
    return not (shares(probe, logits)[usable] <= 1).all()


def _is_read(case: Case) -> bool:
    """Return whether the file could be read as a graph, whatever its operators."""
    assert case.opened.expression is not None
    return _read(case.opened.expression(case.view.expression[1])) is not None


def _more_decisions(case: Case) -> str:
    """Return a description of the operators that branch on numbers in the file but not in the network's code."""
    expected, names = case.view.expression
    assert case.opened.expression is not None
    found = case.opened.expression(names)
    ours, theirs = (_read(each) for each in (expected, found))
    if ours is None or theirs is None:
        return ""
    more = decisions(theirs) - decisions(ours)
    return " and ".join(f"{count} {name if count > 1 else name[:-1]}" for name, count in sorted(more.items()))


def _read(found: Expression | Unknown) -> Expression | None:
    return found.expression if isinstance(found, Unknown) else found
