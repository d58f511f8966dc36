"""Judge a foreign graph that is written otherwise than the network: another spelling, or another computation."""

from dataclasses import replace

import numpy as np

from ..graph import Expression, Unknown, decisions
from ..report import Check
from .case import Case
from .compare import shares, wrong_shape

__all__ = ["another_spelling"]


def another_spelling(case: Case, numbers: Check, graph: Check) -> tuple[Check, Check]:
    """Return the checks of the numbers and of the graph of a foreign file with their final status.

    Programs spell the same computation in many ways. So a difference fails only if the logits are wrong too, or if the
    file decides more by the numbers of an image than the network's code does: no input need show what it does then.
    """
    if graph.status == "passed":
        return numbers, graph
    wrong = _is_wrong(case)
    more = _more_decisions(case)
    if graph.status == "failed" and more and not wrong:
        detail = f"It decides by the numbers of an image, which the network's code does not: {more}. {graph.detail}"
        graph = replace(graph, detail=detail)
    elif graph.status == "failed" and not wrong:
        detail = f"It is not written as the network is, and was judged by its logits alone. {graph.detail}"
        graph = replace(graph, status="not_applicable", detail=detail)
    if numbers.status == "failed" and not wrong:
        detail = f"Which numbers it computes with was not compared. {numbers.detail}"
        numbers = replace(numbers, status="not_applicable", detail=detail)
    return numbers, graph


def _is_wrong(case: Case) -> bool:
    """Return whether a logit of a random input is beyond its limit."""
    probe = case.reference.made_up("random inputs")
    logits = case.logits(probe)
    if isinstance(logits, str) or wrong_shape(probe, logits):
        return True
    usable = np.isfinite(probe.eager).all(axis=1)
    return not (shares(probe, logits)[usable] <= 1).all()


def _more_decisions(case: Case) -> str:
    """Return the operators by which the file decides and the network's code does not, in words."""
    expected, names = case.view.expression
    assert case.opened.expression is not None
    found = case.opened.expression(names)
    ours, theirs = (_read(each) for each in (expected, found))
    if ours is None or theirs is None:
        return ""
    more = decisions(theirs) - decisions(ours)
    return ", ".join(f"{count} {name}" for name, count in sorted(more.items()))


def _read(found: Expression | Unknown) -> Expression | None:
    return found.expression if isinstance(found, Unknown) else found
