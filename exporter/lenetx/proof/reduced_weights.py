"""Compare the weights and operators of an artifact in reduced precision with the network's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime.spec import FLOAT16

from ..errors import LenetxError
from ..graph.expression import plain
from ..graph.usage import Usage
from ..quantization.calibration import sample
from ..report import Check
from .case import Case
from .failures import reason
from .same_weights import DEFINITIONS, compare_graph, compare_numbers, compare_weights

if TYPE_CHECKING:
    from ..formats.reduced import Reduced
    from ..quantization.widen import Activation, Stored

__all__ = ["reduced_weights"]

_GROUP = "weights"
_LISTED = 3
_HALF = 0.5 + 2.0**-10
"""Largest distance of a weight from its integer, in steps: half of one, and the rounding of the division."""
_SCALE = 2.0**-20
"""Relative tolerance of a scale, which is the quotient of two float32 numbers."""
_RANGE = 1e-4
"""Relative tolerance of a calibrated scale: engines may add up the numbers of a layer in another order."""
_INT8_LARGEST = 127
_FULL = 2**30
"""Smallest |integer| of a bias for which the quantizer has widened the steps of its channel, to make it fit int32."""


def reduced_weights(case: Case) -> tuple[Check, ...]:
    """Compare weights, numbers, operators and, for int8, the calibration.

    A float16 weight is the network's, rounded once, bit for bit. An int8 weight is within half a step of the network's,
    and the step of each channel is its largest weight ÷ 127, or more if the bias would not fit into int32 otherwise.
    """
    opened, view = case.opened, case.view
    reduced, usage = opened.reduced, view.usage
    assert reduced is not None
    assert opened.weights is not None
    assert opened.numbers is not None
    assert opened.expression is not None
    expected = {name: tensor.numpy() for name, tensor in usage.tensors.items()}
    graph, _ = compare_graph(opened.expression, view)
    numbers = compare_numbers(opened.numbers, opened.constants, usage, _known(usage))
    if opened.artifact.precision == FLOAT16:
        rounded = {name: _as_float16(array) for name, array in expected.items()}
        detail = "Bit for bit the checkpoint's, each rounded once to float16; batch norms folded."
        return compare_weights(opened.weights, rounded, {}, detail), numbers, graph
    return _integers(reduced.stored, opened.weights, expected), numbers, graph, _calibration(case, reduced)


def _known(usage: Usage) -> set[float]:
    """Return the numbers of the network's code, as they are and in float16."""
    numbers = {float(np.float32(number)) for number in usage.numbers | DEFINITIONS}
    with np.errstate(over="ignore"):
        return numbers | {float(np.float16(number)) for number in numbers}


def _as_float16(array: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return array.astype(np.float16).astype(np.float32)


def _integers(
    stored: "Mapping[str, Stored]",
    found: Mapping[str, NDArray[np.float32]],
    expected: Mapping[str, NDArray[np.float32]],
) -> Check:
    floats = {name: array for name, array in found.items() if name not in stored}
    rest = {name: array for name, array in expected.items() if name not in stored}
    others = compare_weights(floats, rest, {}, "")
    problems = [others.detail] if others.status == "failed" else []
    worst = 0.0
    for name, each in sorted(stored.items()):
        if name not in expected or expected[name].shape != each.numbers.shape:
            problems.append(f"{name} is not a weight of the network.")
            continue
        bias = stored.get(f"{name.removesuffix('weight')}bias")
        problem, share = _distance(name, each, expected[name].astype(np.float64), bias)
        worst = max(worst, share)
        problems += [problem] * bool(problem)
    more = f" And {len(problems) - _LISTED} more." if len(problems) > _LISTED else ""
    found_wrong = " ".join(problems[:_LISTED]) + more
    subject = f"{sum(array.size for array in expected.values()):,} numbers in {len(expected)} tensors"
    detail = "Each int8 weight is the checkpoint's, rounded to the nearest step of its channel."
    return Check("weights", subject, "failed" if problems else "passed", worst, _HALF, found_wrong or detail, _GROUP)


def _distance(name: str, each: "Stored", right: NDArray[np.float64], bias: "Stored | None") -> tuple[str, float]:
    """Return the problem with a weight's integers, and their largest distance from the weight in steps."""
    if each.is_shifted:
        return f"{name} has a zero point, and lenetx writes none for weights.", 0.0
    shape = [-1 if place == each.axis else 1 for place in range(right.ndim)]
    scales = each.scales.astype(np.float64).reshape(shape) if each.scales.ndim else each.scales.astype(np.float64)
    if not (np.isfinite(scales) & (scales > 0)).all():
        return f"A scale of {name} is not a positive number.", 0.0
    if each.numbers.dtype == np.int8:
        axes = tuple(place for place in range(right.ndim) if place != each.axis)
        largest = np.abs(right).max(axis=axes, keepdims=True)
        off = np.where(largest > 0, scales * _INT8_LARGEST / np.where(largest > 0, largest, np.inf) - 1, 0).ravel()
        if bias is not None and bias.numbers.shape == off.shape:
            off[(off > 0) & (np.abs(bias.numbers.astype(np.int64)) >= _FULL)] = 0
        if (np.abs(off) > _SCALE).any():
            channel = int(np.abs(off).argmax())
            return f"The scale of {name} in channel {channel} is not that of its largest weight.", 0.0
    steps = np.abs(right / scales - each.numbers)
    worst = float(steps.max(initial=0))
    if worst <= _HALF:
        return "", worst
    count = int((steps > _HALF).sum())
    return f"{count:,} of {steps.size:,} numbers in {name} are up to {worst:.3g} steps from the checkpoint's.", worst


def _calibration(case: Case, reduced: "Reduced") -> Check:
    """Quantize the network again with the recorded images, and compare every scale and integer."""
    name, reference = "calibration", case.reference
    recorded, dataset = reduced.calibration, reference.dataset
    if recorded is None:
        return Check(name, "no images", "failed", detail="It does not say how its ranges were found.", group=_GROUP)
    words = f"{recorded.images:,} training images of {plain(recorded.data)}, {recorded.method}"
    if dataset is None or dataset.name != recorded.data:
        why = reference.missing if dataset is None else f"The data are {dataset.name}: name the others with --data."
        return Check(name, words, "not_run", detail=why, group=_GROUP)
    try:
        again = sample(dataset, reference.pictures, method=recorded.method, images=recorded.images, seed=recorded.seed)
        if again.calibration != recorded:
            detail = f"These images have the digest {again.calibration.sha256[:16]}…, not the one in its spec."
            return Check(name, words, "failed", detail=detail, group=_GROUP)
        weights, ranges = reduced.quantized_anew(reference.network, again)
    except LenetxError as error:
        return Check(name, words, "failed", detail=f"It could not be repeated: {reason(error)}", group=_GROUP)
    problem = _difference(reduced.activations, ranges) or _changed(reduced.stored, weights)
    detail = f"The same images give the same {len(ranges)} ranges and the same integers."
    return Check.verdict(name, words, problem, detail, _GROUP)


def _difference(found: "Mapping[str, Activation]", right: "Mapping[str, Activation]") -> str | None:
    if found.keys() != right.keys():
        odd = ", ".join(sorted(found.keys() ^ right.keys())[:_LISTED])
        return f"Other tensors are quantized than by a new calibration: {odd}."
    for name, each in found.items():
        if each.zero != right[name].zero:
            return f"The zero point of {name} is {each.zero}; calibrated again it is {right[name].zero}."
        if not abs(each.scale - right[name].scale) <= _RANGE * right[name].scale:
            return f"The scale of {name} is {each.scale:.9g}; calibrated again it is {right[name].scale:.9g}."
    return None


def _changed(found: "Mapping[str, Stored]", right: "Mapping[str, Stored]") -> str | None:
    if found.keys() != right.keys():
        return f"Other weights are quantized: {', '.join(sorted(found.keys() ^ right.keys())[:_LISTED])}."
    for name, each in found.items():
        theirs = right[name]
        if each.axis != theirs.axis or each.scales.shape != theirs.scales.shape:
            return f"The scales of {name} are along another axis."
        if not np.allclose(each.scales, theirs.scales, rtol=_RANGE, atol=0):
            return f"A scale of {name} is not that of a new calibration."
        if np.abs(each.numbers.astype(np.int64) - theirs.numbers).max(initial=0) > 1:
            return f"The integers of {name} are not those of a new calibration."
    return None
