"""The batch axis: how many images there are, where each stands and what its neighbours are must not matter.

Every row of every batch is compared with float64 and its own limit. Rows that are within it agree with their batch-1
results within both rows' limits.
"""

import numpy as np
from numpy.typing import NDArray

from ..bounds.measure import MADE_UP
from ..report import Check, Status
from .compare import shares, wrong_shape
from .reference import Probe, Reference
from .subject import Subject

__all__ = ["SIZES", "batch_axis"]

_GROUP = "batch axis"
SIZES = (0, 1, 2, 3, 7, 8, 64, 257, 1000)
_PERMUTED = 257
_SURELY = 8
"""Sizes that are tried with networks of any cost."""


def batch_axis(subject: Subject, reference: Reference) -> tuple[Check, ...]:
    """Ask for rows in batches of many sizes and in another order; a fixed batch size must refuse any other."""
    probe = reference.real or reference.made_up("random inputs")
    most = SIZES[-1] if reference.plan.made_up >= MADE_UP else max(_SURELY, reference.plan.made_up)
    fixed = subject.spec.batch != "dynamic"
    sizes = (int(subject.spec.batch),) if fixed else tuple(size for size in SIZES if size <= most)
    words = f"batches of {', '.join(map(str, sizes))} {probe.name}"
    checks = []
    for name, ask in (("batch sizes", _sizes), ("row order", _order)):
        try:
            checks.append(ask(name, words, subject, probe, sizes))
        except Exception as error:  # whatever an engine raises on a batch that it cannot run
            reason = f"It could not run: {' '.join(str(error).split())}"
            checks.append(Check(name, words, "failed", detail=reason, group=_GROUP))
    return tuple(checks)


def _sizes(name: str, words: str, subject: Subject, probe: Probe, sizes: tuple[int, ...]) -> Check:
    run, rows = subject.backend.run, _rows(probe, max(sizes))
    notes, worst = [], 0.0
    if subject.spec.batch == "dynamic":
        alone = np.concatenate([run(rows.inputs[row : row + 1]) for row in range(len(rows))])
        worst, problem = _agree(rows, alone, "by itself")
        if problem:
            return Check(name, words, "failed", worst, 1.0, problem, _GROUP)
        if 0 in sizes:
            problem, note = _empty(subject, rows)
            notes.append(note)
    elif _accepts(subject, _rows(probe, max(sizes) + 1).inputs):
        problem = f"It takes a batch of {max(sizes) + 1}, though its spec says {subject.spec.batch}."
    else:
        problem = None
    for size in sizes:
        if problem:
            break
        if size:
            part = rows.take(np.arange(size), words)
            share, problem = _agree(part, run(part.inputs), f"in a batch of {size}")
            worst = max(worst, share)
    status: Status = "failed" if problem else "passed"
    return Check(name, words, status, worst, 1.0, problem or " ".join(notes), _GROUP)


def _order(name: str, words: str, subject: Subject, probe: Probe, sizes: tuple[int, ...]) -> Check:
    size = max(each for each in sizes if each <= _PERMUTED) if subject.spec.batch == "dynamic" else sizes[0]
    rows = _rows(probe, size)
    worst, problem = 0.0, None
    for order, how in (
        (np.arange(size)[::-1], "backwards"),
        (np.random.default_rng(6).permutation(size), "in a random order"),
    ):
        part = rows.take(order.copy(), words)
        share, problem = _agree(part, subject.backend.run(part.inputs), how)
        worst = max(worst, share)
        if problem:
            break
    words = f"{size} {probe.name} backwards and in a random order"
    return Check(name, words, "failed" if problem else "passed", worst, 1.0, problem or "", _GROUP)


def _agree(rows: Probe, logits: NDArray[np.float32], how: str) -> tuple[float, str | None]:
    """Give the largest share of a limit, and what is wrong."""
    if problem := wrong_shape(rows, logits):
        return float("inf"), f"{how.capitalize()}: {problem}"
    used = shares(rows, logits)
    worst = float(used.max(initial=0.0))
    if worst <= 1:
        return worst, None
    row, column = np.unravel_index(int(used.argmax()), used.shape)
    return worst, (
        f"Row {rows.indices[row]} {how}, logit {column}: {logits[row, column]:.9g}, right is "
        f"{rows.exact[row, column]:.9g} ± {rows.limits[row, column]:.3g}."
    )


def _rows(probe: Probe, count: int) -> Probe:
    """Give as many rows, the first ones again where there are too few; none that eager itself cannot compute."""
    return probe.take(np.arange(count) % len(probe), probe.subject)


def _empty(subject: Subject, rows: Probe) -> tuple[str | None, str]:
    """Give what is wrong with the answer to no image at all, and what it is if it is right."""
    nothing = rows.inputs[:0]
    try:
        logits = subject.backend.run(nothing)
    except Exception as error:  # a refusal, in whatever class the engine has for it
        return None, f"A batch of 0 is refused: {' '.join(str(error).split())}"
    wanted = (0, rows.exact.shape[1])
    if logits.shape != wanted:
        return f"A batch of 0 gives logits of shape {list(logits.shape)} instead of {list(wanted)}.", ""
    return None, f"A batch of 0 gives logits of shape {list(wanted)}."


def _accepts(subject: Subject, images: NDArray[np.float32]) -> bool:
    try:
        subject.backend.run(images)
    except Exception:  # a refusal, in whatever class the engine has for it
        return False
    return True
