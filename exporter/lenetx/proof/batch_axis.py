"""Check that an image's logits do not depend on the batch size, its position in the batch or the other images.

Every row of every batch is compared with the float64 reference within its own limit, so it also agrees with its batch-1
result within the sum of both limits.
"""

import hashlib
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..bounds.measure import GROUP_SIZE
from ..report import Check, Status
from .case import Case
from .compare import place, shares, wrong_shape
from .failures import WrongAnswer, could_not_run, reason
from .forked import BatchOutcome
from .reference import Probe, Reference, counted

__all__ = ["SIZES", "batch_axis"]

_GROUP = "batch axis"
SIZES = (0, 1, 2, 3, 7, 8, 64, 257, 1000)
_PERMUTED = 257
_SURELY = 8
"""Batch sizes up to this one are tried however expensive the network is."""
_MOST_NUMBERS = 2**24
"""Numbers in the inputs of the largest batch: the runtime bounds the memory of a model."""


def batch_axis(case: Case) -> tuple[Check, ...]:
    """Compare rows in batches of many sizes and in another order; a fixed batch size must reject any other."""
    reference = case.reference
    most = SIZES[-1] if reference.plan.group_size >= GROUP_SIZE else reference.plan.group_size
    most = max(_SURELY, min(most, _MOST_NUMBERS // math.prod(case.spec.input_shape)))
    fixed = case.spec.batch != "dynamic"
    sizes = (int(case.spec.batch),) if fixed else tuple(size for size in SIZES if size <= most)
    probe = _pool(reference, max(sizes))
    order = max(each for each in sizes if each <= _PERMUTED) if not fixed else sizes[0]
    every = f"batches of {', '.join(map(str, sizes))} from {probe.subject}"
    permuted = f"{counted(order, 'row')} from {probe.subject}, backwards and in a random order"
    steps: dict[str, tuple[str, Callable[[], Check]]] = {
        "batch sizes": (every, lambda: _sizes("batch sizes", every, case, probe, sizes)),
        "row order": (permuted, lambda: _order("row order", permuted, case, probe, order)),
    }
    checks = []
    for name, (words, run) in steps.items():
        try:
            checks.append(run())
        except Exception as error:  # an engine may raise any exception
            checks.append(Check(name, words, "failed", detail=could_not_run(error), group=_GROUP))
    return tuple(checks)


def _pool(reference: Reference, size: int) -> Probe:
    """Return the rows for the batches: distinct real inputs, since swapping equal rows would go unnoticed.

    If there are too few for a permuted batch, random ones follow.
    """
    random, real = reference.synthetic("random inputs"), reference.real
    if real is None:
        return random.take(np.arange(len(random)), counted(len(random), "random input"))
    first = {hashlib.sha256(real.inputs[row].data).digest(): row for row in reversed(range(min(size, len(real))))}
    rows = np.array(sorted(first.values()))
    distinct = real.take(rows, counted(len(rows), "distinct real input"))
    if len(rows) >= min(size, _PERMUTED):
        return distinct
    return distinct.joined(random, f"{distinct.subject} and {counted(len(random), 'random one')}")


def _sizes(name: str, words: str, case: Case, probe: Probe, sizes: tuple[int, ...]) -> Check:
    run, rows = case.backend.run, _rows(probe, max(sizes))
    notes, worst = [], 0.0
    if case.spec.batch == "dynamic":
        once = _rows(probe, min(len(probe), max(sizes)))
        alone = np.concatenate([run(once.inputs[row : row + 1]) for row in range(len(once))])
        worst, problem = _agree(once, alone, "by itself")
        if problem:
            return Check(name, words, "failed", worst, 1.0, problem, _GROUP)
        if 0 in sizes:
            problem, note = _empty(case, rows)
            notes.append(note)
    elif _accepts(case, _rows(probe, max(sizes) + 1).inputs):
        problem = f"It takes a batch of {max(sizes) + 1}, though its spec says {case.spec.batch}."
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


def _order(name: str, words: str, case: Case, probe: Probe, size: int) -> Check:
    if size == 1:
        return Check(name, "1 row", "not_applicable", detail="A batch of 1 has no other order.", group=_GROUP)
    rows = _rows(probe, size)
    worst, problem = 0.0, None
    for order, how in (
        (np.arange(size)[::-1], "backwards"),
        (np.random.default_rng(6).permutation(size), "in a random order"),
    ):
        part = rows.take(order.copy(), words)
        share, problem = _agree(part, case.backend.run(part.inputs), how)
        worst = max(worst, share)
        if problem:
            break
    return Check(name, words, "failed" if problem else "passed", worst, 1.0, problem or "", _GROUP)


def _agree(rows: Probe, logits: NDArray[np.float32], how: str) -> tuple[float, str | None]:
    """Return the largest error as a share of its limit, and the problem, ``None`` if there is none."""
    if problem := wrong_shape(rows, logits):
        return float("inf"), f"{how.capitalize()}: {problem}"
    used = shares(rows, logits)
    worst = float(used.max(initial=0.0))
    if worst <= 1:
        return worst, None
    row, column = np.unravel_index(int(used.argmax()), used.shape)
    return worst, place(rows, logits, int(row), int(column), f" {how}")


def _rows(probe: Probe, count: int) -> Probe:
    """Return ``count`` rows, repeated from the first if there are too few."""
    return probe.take(np.arange(count) % len(probe), probe.subject)


def _empty(case: Case, rows: Probe) -> tuple[str | None, str]:
    """Return the problem with an empty batch, ``None`` if there is none, and otherwise a note on the result."""
    wanted = (0, rows.exact.shape[1])
    if case.is_function:
        try:
            outcome = BatchOutcome(case.backend.run(rows.inputs[:0]).shape)
        except WrongAnswer as error:
            return f"Of a batch of 0: {error}", ""
        except Exception as error:  # a function may raise any exception
            outcome = BatchOutcome(error=reason(error))
    elif case.forked is None:
        return (
            None,
            "A batch of 0 was not tried, because it can crash a process, and there was no separate one to run it in.",
        )
    elif case.forked.crashed_at == 0:
        return None, (
            f"A batch of 0 crashes the process that runs it ({case.forked.signal}), so no program may request it; "
            "lenetx_runtime answers it without the engine."
        )
    else:
        outcome = case.forked.outcomes[0]
    if outcome.shape is None:
        return None, f"A batch of 0 is rejected: {outcome.error}"
    if outcome.shape != wanted:
        return f"A batch of 0 gives logits of shape {list(outcome.shape)} instead of {list(wanted)}.", ""
    return None, f"A batch of 0 gives logits of shape {list(wanted)}."


def _accepts(case: Case, images: NDArray[np.float32]) -> bool:
    try:
        case.backend.run(images)
    except Exception:  # an engine may raise any exception
        return False
    return True
