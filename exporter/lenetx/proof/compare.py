"""Compare logits with the reference."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..report import Check
from .reference import Probe, counted

__all__ = ["compare", "errors_of", "place", "shares", "wrong_shape"]

Logits = NDArray[np.float32] | str
"""float32[N, K], or the error as a sentence."""

_EDGES = (0.0, *(10.0**power for power in np.arange(-6, 3.25, 0.25).tolist()))
_WORST = 12
_ONE = 1e-3
"""Tolerance for the sum of probabilities, which may come from float16 or from text with four digits."""


def compare(
    name: str, group: str, probe: Probe, logits: Logits, *, extreme: "bool | NDArray[np.bool_]" = False
) -> Check:
    """Check that every logit is within its own limit of the float64 reference; NaN and infinity always fail.

    Args:
        name: the check's name.
        group: the check's group.
        probe: N inputs with their right logits.
        logits: the artifact's float32[N, K] for these inputs, or its error as a sentence.
        extreme: where eager PyTorch itself may return NaN or infinity, for all inputs or as bool[N]; such inputs are
            left out.
    """
    problem = logits if isinstance(logits, str) else wrong_shape(probe, logits)
    if problem is not None or isinstance(logits, str):
        return Check(name, probe.subject, "failed", detail=problem or "", group=group)
    usable = np.isfinite(probe.eager).all(axis=1)
    if not (usable | extreme).all():
        return Check(
            name, probe.subject, "failed", detail="Eager PyTorch itself gives NaN or infinity here.", group=group
        )
    if not usable.any():
        return Check(name, probe.subject, "not_run", detail="Eager PyTorch gives NaN or infinity here.", group=group)
    subject = probe.subject
    if not usable.all():
        rows = np.flatnonzero(usable)
        subject = f"{len(rows)} of {probe.subject}, where eager is finite"
        probe, logits = probe.take(rows, subject), logits[rows]
    used = shares(probe, logits)
    row, column = (int(each) for each in np.unravel_index(int(used.argmax()), used.shape))
    share, limit = float(used[row, column]), float(probe.limits[row, column])
    measured = float(abs(float(logits[row, column]) - probe.exact[row, column]))
    if unwanted := int((~np.isfinite(logits)).sum()):
        first = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
        unwanted_ones = f"{counted(unwanted, 'logit')} {'is' if unwanted == 1 else 'are'} NaN or infinite"
        detail = f"{unwanted_ones} where eager is finite, first of {probe.named(first)}. {probe.numbering}"
        return Check(name, subject, "failed", float("inf"), limit, detail, group)
    where = place(probe, logits, row, column)
    if share <= 1:
        return Check(name, subject, "passed", measured, limit, f"{share:.2%} of the limit at worst. {where}", group)
    beyond = int((~(used <= 1)).sum())
    wrong = f"{int((~(used <= 1)).any(axis=1).sum()):,} of {counted(len(used), probe.kind)}"
    detail = f"{beyond:,} of {used.size:,} logits are beyond their limits, of {wrong}. {where}"
    if _are_probabilities(logits) and not _are_probabilities(probe.eager):
        detail += " They are probabilities, whose rows sum to 1: logits are wanted, as they come before the softmax."
    return Check(name, subject, "failed", measured, limit, detail, group)


def place(probe: Probe, logits: NDArray[np.float32], row: int, column: int, how: str = "") -> str:
    """Describe one logit and its expected value.

    Args:
        probe: N inputs with their right logits.
        logits: float32[N, K].
        row: the index of the input.
        column: the index of the logit.
        how: how the input was run, such as ``" in a batch of 8"``.
    """
    return (
        f"{probe.named(row).capitalize()}{how}, logit {column}: {logits[row, column]:.9g}, right is "
        f"{probe.exact[row, column]:.9g} ± {probe.limits[row, column]:.3g}. {probe.numbering}"
    )


def _are_probabilities(logits: NDArray[np.float32]) -> bool:
    within = ((logits >= 0) & (logits <= 1)).all()
    return bool(logits.shape[1] > 1 and within and np.allclose(logits.sum(axis=1), 1, atol=_ONE))


def wrong_shape(probe: Probe, logits: NDArray[np.float32]) -> str | None:
    """Return the problem if logits are not float32[N, K], else ``None``."""
    if logits.shape == probe.exact.shape and logits.dtype == np.float32:
        return None
    got, wanted = (f"{a.dtype}{list(a.shape)}" for a in (logits, probe.eager))
    return f"The logits are {got} instead of {wanted}."


def shares(probe: Probe, logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return float64[N, K]: error ÷ limit, where a share above 1 fails.

    Without an error the share is 0, even if the limit is 0; for a logit that is not finite it is infinite. A limit that
    is not finite allows no error: the share is NaN, which fails too.
    """
    error = np.abs(logits.astype(np.float64) - probe.exact)
    error[~np.isfinite(logits)] = np.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        limits = np.where(np.isfinite(probe.limits), probe.limits, np.nan)
        found: NDArray[np.float64] = np.where(error == 0, 0.0, error / limits)
    return found


def errors_of(
    probe: Probe, logits: NDArray[np.float32], frames: NDArray[np.uint8], labels: tuple[str, ...]
) -> Mapping[str, Any]:
    """Return figures for the report: a histogram of all errors as shares of their limits, and the worst images.

    Args:
        probe: the N test images.
        logits: float32[N, K].
        frames: the images as uint8[N, h, w] or uint8[N, h, w, 3].
        labels: the K labels.
    """
    used = shares(probe, logits)
    counts, _ = np.histogram(np.minimum(used, _EDGES[-1]), bins=np.array(_EDGES))
    rows = np.argsort(-used.max(axis=1), kind="stable")[:_WORST]
    worst = []
    for row in rows.tolist():
        column = int(used[row].argmax())
        worst.append(
            {
                "image": int(probe.indices[row]),
                "logit": column,
                "share": float(used[row, column]),
                "reference": float(probe.exact[row, column]),
                "artifact": float(logits[row, column]),
                "label": labels[int(probe.exact[row].argmax())],
                "picture": _picture(frames[row]),
            }
        )
    return {"kind": "errors", "histogram": {"edges": list(_EDGES), "counts": counts.tolist()}, "worst": worst}


def _picture(frame: NDArray[np.uint8]) -> Mapping[str, Any]:
    height, width = frame.shape[:2]
    levels = base64.b64encode(np.ascontiguousarray(frame).tobytes()).decode()
    return {"height": height, "width": width, "channels": frame[0, 0].size, "levels": levels}
