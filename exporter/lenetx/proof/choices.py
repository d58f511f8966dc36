"""Recognise programs that end in a softmax, preprocess their inputs, or order their classes differently."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from .case import Case
from .compare import wrong_shape
from .reference import Probe

__all__ = ["Choice", "choice_of"]

_IMAGES = 16
_ROUNDING = 1e-4
"""Tolerance for recognising a choice, relative to the largest number; the proof itself is of the plain network."""
_FIT = 1e-4
Outputs = NDArray[np.float64]
Choice = tuple[str, bool]
"""A sentence, and whether it is a choice rather than a mistake."""


def choice_of(case: Case) -> Choice | None:
    """Return how a program that is wrong relates to the network, or ``None`` if that is not known."""
    probe = case.reference.synthetic("random inputs")
    logits = case.logits(probe)
    if isinstance(logits, str) or wrong_shape(probe, logits) or not np.isfinite(logits).all():
        return None
    rows = np.flatnonzero(np.isfinite(probe.eager).all(axis=1))[:_IMAGES]
    probe, found = probe.take(rows, probe.subject), logits[rows].astype(np.float64)
    for right, inputs in _inputs(case, probe):
        for outputs, compute in _OUTPUTS.items():
            if _is_near(found, compute(right)):
                words = " and ".join(filter(None, [outputs, inputs]))
                return (f"It is the network, but {words}.", True) if words else None
            if outputs and _is_near(compute(found), right):
                return (
                    f"It returns other numbers than the network does: the network returns {_NAMES[outputs]} of its.",
                    True,
                )
        if order := _order(found, right):
            behind = f", but {inputs}" if inputs else ""
            return f"Its logits are the network's in another order of the classes: {order}{behind}.", False
    return None


def _inputs(case: Case, probe: Probe) -> Iterator[tuple[Outputs, str]]:
    """Yield the network's logits for the inputs, and for the inputs as the program changes them, with a description."""
    yield probe.exact, ""
    entering = case.opened.entering
    if entering is None:
        return
    try:
        values = entering(probe.inputs)
    except Exception:  # an engine may raise any exception
        return
    if values.shape != probe.inputs.shape:
        if values.shape[1:] != np.moveaxis(probe.inputs, 1, -1).shape[1:]:
            return
        values = np.moveaxis(values, -1, 1)
    channels = probe.inputs.shape[1]
    for order, words in (
        (list(range(channels)), ""),
        (list(range(channels))[::-1], "with the channels in reverse order, "),
    ):
        lines = [_line(probe.inputs[:, own], values[:, place]) for place, own in enumerate(order)]
        known = [line for line in lines if line is not None]
        if len(known) == channels and (words == "" or channels > 1):
            slopes, offsets = (np.array([line[part] for line in known]) for part in (0, 1))
            offsets[np.abs(offsets) <= _FIT * np.abs(slopes)] = 0
            if words == "" and np.allclose(slopes, 1, atol=_FIT) and np.allclose(offsets, 0, atol=_FIT):
                return
            changed = probe.inputs[:, order] * slopes[:, None, None] + offsets[:, None, None]
            given = np.ascontiguousarray(changed, np.float32)
            right = case.reference.given(given, np.zeros(len(given), bool))
            yield right.exact, f"{words}it takes x · {_listed(slopes)} + {_listed(offsets)} for an input x".lstrip()
            return


def _line(given: NDArray[np.float32], found: NDArray[np.float32]) -> tuple[float, float] | None:
    """Return (slope, offset) if the numbers found are a line of those given."""
    x, y = given.astype(np.float64).ravel(), found.astype(np.float64).ravel()
    slope, offset = np.polyfit(x, y, 1)
    error = np.abs(slope * x + offset - y).max()
    return (float(slope), float(offset)) if error <= _FIT * max(np.abs(y).max(), 1e-30) else None


def _listed(values: NDArray[np.float64]) -> str:
    numbers = [f"{value:.6g}" for value in values]
    return numbers[0] if len(set(numbers)) == 1 else f"({', '.join(numbers)})"


def _is_near(found: Outputs, right: Outputs) -> bool:
    if not (np.isfinite(found).all() and np.isfinite(right).all()):
        return False
    return bool(np.abs(found - right).max() <= _ROUNDING * max(np.abs(right).max(), 1e-30))


def _order(found: Outputs, right: Outputs) -> str:
    """Return the order of the classes if the columns are the network's in another order."""
    scale = _ROUNDING * np.abs(right).max()
    order = [next(iter(np.flatnonzero(np.abs(right - column[:, None]).max(axis=0) <= scale)), -1) for column in found.T]
    if sorted(order) != list(range(right.shape[1])):
        return ""
    return f"{', '.join(map(str, order[:20]))}{', …' * (len(order) > 20)}"


def _softmax(values: Outputs) -> Outputs:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    shares: Outputs = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _log_softmax(values: Outputs) -> Outputs:
    top = values - values.max(axis=1, keepdims=True)
    found: Outputs = top - np.log(np.exp(top).sum(axis=1, keepdims=True))
    return found


def _sigmoid(values: Outputs) -> Outputs:
    found: Outputs = 1 / (1 + np.exp(-values))
    return found


_OUTPUTS: Mapping[str, Callable[[Outputs], Outputs]] = {
    "": lambda values: values,
    "it returns the softmax of its logits": _softmax,
    "it returns the log-softmax of its logits": _log_softmax,
    "it returns the sigmoid of its logits": _sigmoid,
}
_NAMES = {words: words.removeprefix("it returns ").removesuffix(" of its logits") for words in _OUTPUTS}
