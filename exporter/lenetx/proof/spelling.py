"""Decide whether a foreign graph that is written differently from the network computes the same or something else."""

from dataclasses import replace

import numpy as np

from ..graph import CURVES, Expression, Unknown, decisions, only_numbers_differ
from ..report import Check
from .case import Case
from .compare import shares, wrong_shape
from .failures import reason

__all__ = ["another_spelling"]


_UNSEEN = "not every weight of the network was found in it"
_IMAGES = 4
"""Inputs of a set for which the results of single operators are looked at; those of a whole network are large."""


def another_spelling(case: Case, weights: Check, numbers: Check, graph: Check) -> tuple[Check, Check, Check]:
    """Return the checks of the weights, numbers and graph of a foreign file with their final status.

    Programs write the same computation in many ways. So a difference fails only if the logits are wrong too, or if the
    file decides more by the numbers of an image than the network's code does: no input need show what it does then. For
    the same reason it fails if it has more smooth operators, and one of them is saturated for every input. The same
    operators with other numbers fail too: that is no other way to write them.

    A weight that was not found fails only if the logits are wrong, or if the operators are the network's, so that the
    tensor in its place was changed; one that was found and changed always fails.
    """
    if weights.status == graph.status == "passed":
        return weights, numbers, graph
    if _is_wrong(case):
        return _of_other_weights(case, weights), numbers, graph
    if weights.status == "failed" and graph.status != "passed" and not _changed(case):
        detail = f"It was judged by its logits: {_UNSEEN}. {weights.detail}"
        weights = replace(weights, status="not_applicable", detail=detail)
    if graph.status == "failed" and not _is_read(case):
        return weights, numbers, graph
    if graph.status == "failed" and (problem := _other_function(case)):
        graph = replace(graph, detail=f"{problem} {graph.detail}")
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
    """Return whether a weight that is read, and was found by more than its position, differs from the network's."""
    opened, expected = case.opened, case.view.usage.tensors
    for name, found in (opened.weights or {}).items():
        if name in case.view.read and name not in opened.placed:
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


def _other_function(case: Case) -> str:
    """Return a sentence about what is no other way to write the network; empty if there is nothing of the kind."""
    expected, names = case.view.expression
    opened = case.opened
    assert opened.expression is not None
    ours, theirs = (_read(each) for each in (expected, opened.expression(names)))
    if ours is None or theirs is None:
        return ""
    if only_numbers_differ(ours, theirs):
        return "It is the network with other numbers."
    have, need = decisions(theirs), decisions(ours)
    more = have - need
    curves = more.pop(CURVES, 0)
    if have.total() - have[CURVES] > need.total() - need[CURVES]:  # a kink may be written as choices, and the reverse
        words = " and ".join(f"{count} {name if count > 1 else name[:-1]}" for name, count in sorted(more.items()))
        return f"It decides by the numbers of an image where the network's code does not ({words} more)."
    if not curves or opened.idle_switches is None:
        return ""
    probes = [case.reference.synthetic("random inputs"), *filter(None, [case.reference.real])]
    try:
        switches = opened.idle_switches([probe.inputs[:_IMAGES] for probe in probes])
    except Exception as error:  # an engine may raise any exception
        return f"What its operators give could not be read: {reason(error)}"
    words = "for every input the same results to rounding, and would decide by the numbers of others"
    return f"Operators that the network's code does not have give {words}: {switches}." if switches else ""


def _read(found: Expression | Unknown) -> Expression | None:
    return found.expression if isinstance(found, Unknown) else found
