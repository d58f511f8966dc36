"""Check the probabilities that an artifact returns beside its logits."""

import numpy as np
from numpy.typing import NDArray

from ..report import Check
from .case import Case
from .failures import could_not_run
from .reference import counted

__all__ = ["limits", "probabilities"]

_GROUP = "end to end"
_IMAGES = 512
_U = 2.0**-24
_STEPS = 24
"""Allowed roundings besides those of the differences and the sum: 4 ULP for two exponentials each, and a division."""
_UNDERFLOW = 2.0**-125
"""Smaller numbers may be 0, or the smallest that an engine's exponential returns."""
_LARGEST = float(np.finfo(np.float32).max)


def probabilities(case: Case) -> tuple[Check, ...]:
    """Compare the second output with the softmax of the logits, on inputs and, by the node alone, on extreme logits."""
    found = case.opened.probabilities
    if found is None:
        return ()
    probe = case.reference.real or case.reference.synthetic("random inputs")
    probe = probe.take(np.arange(min(_IMAGES, len(probe))), probe.subject)
    nodes = Check.verdict("softmax node", "Softmax", found.problem, "Of the logits, over the classes.", _GROUP)
    checks = [nodes]
    extreme = _extreme(probe.exact.shape[1])
    words = f"{counted(len(probe), probe.name.removesuffix('s'))}, softmax of its own logits"
    try:
        checks.append(_compare("probabilities", words, *found.both(probe.inputs)))
    except Exception as error:  # an engine may raise any exception
        checks.append(Check("probabilities", words, "failed", detail=could_not_run(error), group=_GROUP))
    words = f"{len(extreme)} rows of logits up to 3.4e38, by the node alone"
    try:
        checks.append(_compare("extreme logits", words, extreme, found.softmax(extreme)))
    except Exception as error:  # as above
        checks.append(Check("extreme logits", words, "failed", detail=could_not_run(error), group=_GROUP))
    return tuple(checks)


def limits(logits: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the softmax of float32[N, K] logits in float64, and how far float32 may be from it.

    With d = z − max z, rounding d changes exp(d) by the factor 1 + u·|d|, and so the sum by the mean of that. The sum
    of K terms, two exponentials and a division add their own roundings.
    Source: Higham, *Accuracy and Stability of Numerical Algorithms*, chapter 4; Blanchard, Higham and Higham 2021.
    """
    wide = logits.astype(np.float64)
    gaps = wide - wide.max(axis=1, keepdims=True)
    with np.errstate(under="ignore"):
        powers = np.exp(gaps)
        right = powers / powers.sum(axis=1, keepdims=True)
        share = np.where(right > 0, right * -gaps, 0.0)
        units = -gaps + share.sum(axis=1, keepdims=True) + logits.shape[1] + _STEPS
        return right, np.where(right > 0, right * units * _U, 0.0) + _UNDERFLOW


def _compare(name: str, words: str, logits: NDArray[np.float32], found: NDArray[np.float32]) -> Check:
    if found.shape != logits.shape or found.dtype != np.float32:
        detail = f"They are {found.dtype}{list(found.shape)} instead of float32{list(logits.shape)}."
        return Check(name, words, "failed", detail=detail, group=_GROUP)
    right, allowed = limits(logits)
    used = np.abs(found - right) / allowed
    off = np.abs(found.astype(np.float64).sum(axis=1) - 1) / allowed.sum(axis=1)
    share = float(max(used.max(), off.max()))
    if np.isfinite(found).all() and share <= 1:
        detail = f"{share:.2%} of the limit at worst; each row sums to 1."
        return Check(name, words, "passed", share, 1.0, detail, _GROUP)
    if not np.isfinite(found).all():
        detail = f"{counted(int((~np.isfinite(found)).sum()), 'number')} of them are NaN or infinite."
        return Check(name, words, "failed", float("inf"), 1.0, detail, _GROUP)
    row, column = np.unravel_index(int(used.argmax()), used.shape)
    detail = (
        f"Row {row}, class {column}: {found[row, column]:.9g}, right is {right[row, column]:.9g} ± "
        f"{allowed[row, column]:.3g}; rows sum to {found.sum(axis=1).min():.6g} to {found.sum(axis=1).max():.6g}."
    )
    return Check(name, words, "failed", share, 1.0, detail, _GROUP)


def _extreme(classes: int) -> NDArray[np.float32]:
    """Return float32[N, classes]: equal, large, far apart, of both signs, and denormal."""
    rows = [np.zeros(classes), np.full(classes, 1e30), np.full(classes, -_LARGEST / 4)]
    for scale in (1e-42, 1.0, 30.0, 87.0, 104.0, 1e4, 1e30, _LARGEST / 4):
        values = np.random.default_rng(7).uniform(-1, 1, classes)
        rows += [scale * values, scale * np.eye(classes)[0], scale * -np.eye(classes)[-1]]
    found: NDArray[np.float32] = np.array(rows).astype(np.float32)
    return found
