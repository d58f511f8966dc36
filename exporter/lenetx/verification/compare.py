"""One group of logits against the reference."""

import numpy as np
from numpy.typing import NDArray

from ..report import Check
from .reference import Probe

__all__ = ["compare", "worst"]


def compare(name: str, probe: Probe, logits: NDArray[np.float32]) -> Check:
    """Check that every logit is within the probe's limit of float64; NaN and infinity never are.

    Args:
        name: of the check.
        probe: N inputs with their right logits.
        logits: float32[N, K] that the artifact gave for them.
    """
    if logits.shape != probe.exact.shape or logits.dtype != np.float32:
        got, wanted = (f"{a.dtype}{list(a.shape)}" for a in (logits, probe.eager))
        return Check(name, probe.subject, "failed", detail=f"The logits are {got} instead of {wanted}.")
    if not np.isfinite(probe.eager).all():
        return Check(name, probe.subject, "failed", detail="Eager PyTorch itself gives NaN or infinity here.")
    if unwanted := int((~np.isfinite(logits)).sum()):
        row = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
        detail = f"{unwanted} logits are NaN or infinite where eager is finite, the first in row {row}."
        return Check(name, probe.subject, "failed", float("inf"), probe.limit, detail)
    measured, row, column = worst(logits, probe.exact)
    if measured <= probe.limit:
        return Check(name, probe.subject, "passed", measured, probe.limit)
    detail = (
        f"Row {row}, logit {column}: {logits[row, column]:.9g} instead of {probe.exact[row, column]:.9g}, "
        f"limit {probe.limit:.3g}."
    )
    return Check(name, probe.subject, "failed", measured, probe.limit, detail)


def worst(logits: NDArray[np.float32], exact: NDArray[np.float64]) -> tuple[float, int, int]:
    """Give the largest |logit − exact| of finite [N, K] arrays, with its row and column."""
    difference = np.abs(logits - exact)
    row, column = np.unravel_index(int(difference.argmax()), difference.shape)
    return float(difference[row, column]), int(row), int(column)
