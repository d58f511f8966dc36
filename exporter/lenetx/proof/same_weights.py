"""Compare the artifact's weights bit for bit, and its numbers and operators one by one, with the network's."""

import hashlib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats.artifact import OpenedArtifact
from ..graph import Expression, Unknown, difference, ordered
from ..graph.usage import Usage, digest
from ..report import Check
from .case import Case
from .failures import reason
from .reference import Reference
from .spelling import another_spelling
from .view import View

__all__ = ["DEFINITIONS", "compare_graph", "compare_numbers", "compare_weights", "rounded_weights", "same_weights"]

_GROUP = "weights"
_LISTED = 5
_UNSEEN = "It shows none: what changes a logit by less than rounding may cannot be seen."
_ONLY_COMPUTED = (
    "Bit for bit the checkpoint's, batch norms folded; those of which the network reads only what it computes of them, "
    "such as entries of a table, are compared as that, in the graph."
)
DEFINITIONS = frozenset(
    {0.0, 0.5, 1.0, 3.0, 6.0, 1 / 6, math.sqrt(2), math.sqrt(0.5), math.sqrt(2 / math.pi), 0.044715}
)
"""Constants in the definitions of hard-swish, hard-sigmoid and GELU, which some formats spell out, and 0 and 1."""


def same_weights(case: Case) -> tuple[Check, ...]:
    """Compare the weights bit for bit, the other numbers, and the operators one by one.

    If that is not conclusive, the file is compared with a new export of the checkpoint. A graph that has a canonical
    form and differs from the network fails even if a new export gives the same file: then the exporter is wrong.
    """
    opened, view = case.opened, case.view
    usage = view.usage
    if opened.weights is None or opened.numbers is None or opened.expression is None:
        names = ("weights", "numbers", "graph")
        return tuple(Check(name, "weights", "not_applicable", detail=_UNSEEN, group=_GROUP) for name in names)
    expected = {name: tensor.numpy() for name, tensor in usage.tensors.items()}
    weights = compare_weights(opened.weights, expected, opened.slack)
    numbers = compare_numbers(opened.numbers, opened.constants, usage)
    graph, is_final = compare_graph(opened.expression, view)
    if graph.status == "passed" and numbers.status == "failed":  # the graph check covers all numbers that reach a logit
        detail = "Each is one that the operators of the network's code stand for."
        numbers = replace(numbers, status="passed", detail=detail)
    if opened.artifact.is_foreign and graph.status == "passed" and weights.status == "failed":
        kept = {name: each for name, each in expected.items() if name in opened.weights or name in view.read}
        weights = compare_weights(opened.weights, kept, opened.slack, _ONLY_COMPUTED)
    if opened.artifact.is_foreign:
        return another_spelling(case, weights, numbers, graph)
    if all(check.status == "passed" for check in (weights, numbers, graph)):
        return weights, numbers, graph
    if not _keeps(opened.weights, expected) or (is_final and graph.status == "failed"):
        return weights, numbers, graph  # a new export could not settle it
    matches = _matches_new_export(opened, case.reference)
    return (
        _with_new_export(weights, matches),
        _with_new_export(numbers, matches),
        graph if is_final else _with_new_export(graph, matches),
    )


def rounded_weights(case: Case) -> tuple[Check, ...]:
    """Compare as ``same_weights`` with the network whose weights are rounded to float16, and word the result so."""
    words = "Bit for bit the checkpoint's, batch norms folded and each then rounded once to float16."
    checks = same_weights(case)
    return tuple(
        replace(check, detail=words) if check.name == "weights" and check.status == "passed" else check
        for check in checks
    )


def _keeps(found: Mapping[str, NDArray[np.float32]], expected: Mapping[str, NDArray[np.float32]]) -> bool:
    """Return whether all weights in a file are the checkpoint's; weights that the exporter folded may be absent."""
    return all(name in expected and _bits(array) == _bits(expected[name]) for name, array in found.items())


def _matches_new_export(opened: OpenedArtifact, reference: Reference) -> bool | str:
    """Return whether a new export of the checkpoint gives the same file, or why there is no new export."""
    if opened.artifact.sha256 in reference.written:
        return True
    if opened.matches_new_export is None:
        return "this format has no new export to compare it with"
    try:
        return opened.matches_new_export(reference.network)
    except Exception as error:  # an exporter may raise any exception
        return f"it cannot be exported again: {reason(error)}"


def _with_new_export(check: Check, matches: bool | str) -> Check:
    """Return a check with its final status, given the result of ``_matches_new_export``."""
    import torch

    if check.status == "passed":
        return check
    if matches is True:
        detail = f"It is what torch {torch.__version__} exports, bit for bit. By itself: {check.detail}"
        return replace(check, status="passed", detail=detail)
    if check.status == "failed":
        return check
    if matches is False:
        detail = (
            f"It is not what torch {torch.__version__} exports for this network: it was changed, or another "
            f"version wrote it, and then a new export can be compared. {check.detail}"
        )
        return replace(check, status="failed", detail=detail)
    return replace(check, detail=f"{check.detail} And {matches}.")


def compare_graph(compute: Callable[[Mapping[str, str]], Expression | Unknown], view: View) -> tuple[Check, bool]:
    """Compare the operators of an artifact one by one with those of the network's own code.

    Returns:
        The check, and whether it is final because both have a canonical form.
    """
    name, words = "graph", "all operators and what each reads"
    expected, names = view.expression
    if isinstance(expected, Unknown):
        detail = f"The network's own code has no canonical form: {expected.reason}."
        return Check(name, words, "not_applicable", detail=detail, group=_GROUP), False
    try:
        found = compute(names)
        problem = difference(expected, found)
        is_final = not isinstance(found, Unknown) and _tensors(found) <= {*names.values(), *_tensors(expected)}
    except Exception as error:  # an engine may raise any exception
        problem, is_final = f"It could not be read: {reason(error)}", False
    detail = "Operator by operator the network's own, and nothing more."
    return Check.verdict(name, words, problem, detail, _GROUP), is_final


def _tensors(expression: Expression) -> set[object]:
    """Return the names of the weights that are read, and the digests of other tensors.

    A digest that only the artifact has may belong to a tensor that the exporter computed from weights.
    """
    held = (each.attributes for each in ordered(expression) if each.operator in ("weight", "constant"))
    return {each.get("name", each.get("digest")) for each in held}


def compare_weights(
    found: Mapping[str, NDArray[np.float32]],
    expected: Mapping[str, NDArray[np.float32]],
    slack: Mapping[str, NDArray[np.float64]],
    detail: str = "Bit for bit the checkpoint's, batch norms folded.",
) -> Check:
    """Compare the weights bit for bit, by name; a file may hold only one of several tensors with the same bits.

    Args:
        found: the artifact's.
        expected: the network's.
        slack: as ``OpenedArtifact.slack``.
        detail: of the check if all are equal.
    """
    kept = {_bits(expected[name]) for name in expected.keys() & found.keys()}
    absent = sorted(name for name in expected.keys() - found.keys() if _bits(expected[name]) not in kept)
    problems = [f"{name} is missing" for name in absent]
    problems += [f"{name} is unexpected" for name in sorted(found.keys() - expected.keys())]
    differing, folded = [], []
    for name in sorted(expected.keys() & found.keys()):
        ours, theirs = expected[name], found[name]
        if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
            problems.append(f"{name} is {theirs.dtype}{list(theirs.shape)} instead of {ours.dtype}{list(ours.shape)}")
        elif changed := _changed(ours, theirs):
            if name in slack and (np.abs(theirs.astype(np.float64) - ours) <= slack[name]).all():
                folded.append(name)
            else:
                differing.append(f"{changed} of {ours.size} numbers in {name} differ")
    problems += differing
    more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
    count = sum(array.size for array in expected.values())
    subject = f"{count:,} numbers in {len(expected)} tensors"
    problem = f"{'; '.join(problems[:_LISTED])}{more}." if problems else None
    if folded:
        detail = (
            f"Bit for bit the checkpoint's, but for {', '.join(folded[:_LISTED])}: another program folded their batch "
            "norms in float32, within the rounding of that."
        )
    return Check.verdict("weights", subject, problem, detail, group=_GROUP)


def _bits(array: NDArray[np.float32]) -> tuple[object, ...]:
    return array.dtype, array.shape, hashlib.sha256(np.ascontiguousarray(array).data).digest()


def _changed(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> int:
    """Count the numbers whose bits differ between two arrays of the same shape and type."""
    bits = [np.ascontiguousarray(array).reshape(-1).view(f"u{array.itemsize}") for array in (ours, theirs)]
    return int((bits[0] != bits[1]).sum())


def compare_numbers(
    found: frozenset[float],
    constants: Mapping[str, NDArray[Any]],
    usage: Usage,
    known: Collection[float] | None = None,
) -> Check:
    """Check that numbers and tensors other than weights occur in the network's own code, or among ``known`` numbers."""
    if known is None:
        known = {float(np.float32(number)) for number in usage.numbers | DEFINITIONS}
    strange = [f"{number:.9g}" for number in sorted(found) if float(np.float32(number)) not in known]
    strange += [
        f"{name} of {'×'.join(map(str, array.shape))}"
        for name, array in constants.items()
        if digest(array) not in usage.computed
    ]
    more = f" and {len(strange) - _LISTED} more" if len(strange) > _LISTED else ""
    problem = f"The network's code holds no {', '.join(strange[:_LISTED])}{more}." if strange else None
    detail = "Each is one of the network's code."
    words = f"{len(found) + len(constants)} beside the weights"
    return Check.verdict("numbers", words, problem, detail, group=_GROUP)
