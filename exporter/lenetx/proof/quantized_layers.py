"""Check an int8 artifact's quantizations one by one, on its own integers, and how many numbers are out of range."""

import numpy as np

from ..quantization.rounding import Quantized, quantized
from ..report import Check, Status
from .case import Case
from .failures import could_not_run
from .reference import counted

__all__ = ["quantized_layers"]

_GROUP = "layers"
_IMAGES = 64
_BEYOND = 0.02
"""Largest share of a tensor's numbers beyond the range of int8 on real images."""


def quantized_layers(case: Case) -> tuple[Check, ...]:
    """Compare the int8 numbers of every tensor with float64, computed from the artifact's own numbers before it.

    They must be equal, except where the number is so close to a tie that float32 may round it the other way.
    """
    reduced, reference = case.opened.reduced, case.reference
    assert reduced is not None
    if not reduced.program.is_int8:
        return (Check("layers", "layers", "not_applicable", detail="float16 is compared end to end.", group=_GROUP),)
    random, real = reference.synthetic("random inputs"), reference.real
    images = max(1, min(_IMAGES, reference.plan.group_size))
    own = random.inputs[:images]
    pictures = own[:0] if real is None else real.inputs[:images]
    inputs = np.concatenate([own, pictures])
    subject = f"{counted(len(own), 'random input')} and {counted(len(pictures), 'real one')}"
    try:
        integers = reduced.integers(inputs)
        layers = quantized(reduced.program, inputs, integers)
    except Exception as error:  # an engine may raise any exception
        return (Check("layers", subject, "failed", detail=could_not_run(error), group=_GROUP),)
    if real is None:
        detail = reference.missing
        return _equal(subject, layers), Check("saturation", "real images", "not_run", detail=detail, group=_GROUP)
    part = {name: each[len(own) :] for name, each in integers.items()}
    return _equal(subject, layers), _saturation(
        counted(len(pictures), real.kind), quantized(reduced.program, pictures, part)
    )


def _equal(subject: str, layers: tuple[Quantized, ...]) -> Check:
    wrong = [layer for layer in layers if layer.wrong]
    units = sum(layer.units for layer in layers)
    if not wrong:
        detail = f"All {units:,} numbers of {len(layers)} tensors are those of float64, but for ties."
        return Check("layers", subject, "passed", 0, 0, detail, _GROUP)
    first = wrong[0]
    detail = (
        f"The first that is wrong is {first.name}, in {first.wrong:,} of {first.units:,} numbers, by up to "
        f"{first.most:.0f} steps."
    )
    return Check("layers", subject, "failed", sum(layer.wrong for layer in wrong), 0, detail, _GROUP)


def _saturation(subject: str, layers: tuple[Quantized, ...]) -> Check:
    worst = max(layers, key=lambda layer: layer.beyond)
    detail = f"{worst.beyond:.3%} of {worst.name} are beyond its range, the largest share of a tensor."
    status: Status = "passed" if worst.beyond <= _BEYOND else "failed"
    return Check("saturation", subject, status, worst.beyond, _BEYOND, detail, _GROUP)
