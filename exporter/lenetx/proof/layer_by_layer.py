"""Check an artifact's affine layers one by one, on its own intermediates, to name the first wrong layer."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..bounds.affine_layers import OUTPUT, Layer, check_layers
from ..execution.float64 import Float64Network
from ..execution.host import standard_settings
from ..graph import aliases
from ..report import Check
from .case import Case
from .failures import could_not_run
from .reference import Probe, counted
from .view import View

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["layer_by_layer"]

_GROUP = _NAME = "layers"
_IMAGES = 64
_NUMBERS = 2**18
"""Number of input values that are checked at a time."""


def layer_by_layer(case: Case) -> tuple[Check, ...]:
    """Compare every affine layer's outputs with float64 on the layer's own inputs, within the bound γₙ₊₁·S.

    Source: Higham, *Accuracy and Stability of Numerical Algorithms*, chapter 3.
    """
    opened, reference = case.opened, case.reference
    if opened.layers is None:
        return (Check(_NAME, "layers", "not_applicable", detail="It shows no intermediates.", group=_GROUP),)
    if reference.plan.inapplicable:
        return (Check(_NAME, "layers", "not_applicable", detail=f"No bound: {reference.plan.reason}.", group=_GROUP),)
    probes = [reference.synthetic("random inputs"), *filter(None, [reference.real])]
    images = max(1, min(_IMAGES, reference.plan.group_size))
    inputs = np.concatenate([probe.inputs[:images] for probe in probes])
    subject = f"{len(inputs)} inputs: {' and '.join(_words(probe, images) for probe in probes)}"
    try:
        results, logits = opened.layers(inputs.copy())  # an archive may overwrite its input
    except Exception as error:  # an engine may raise any exception
        return (Check(_NAME, subject, "failed", detail=could_not_run(error), group=_GROUP),)
    network = case.view.with_weights(_folded_by_another(case))
    layers = _compared(case.view, network, reference.normalised(inputs), results, logits)
    found = _verdict(subject, layers)
    if found.status == "failed" and case.is_foreign and (reason := _other_layers(case, layers)):
        detail = f"Its layers were not compared: {reason}."
        return (Check(_NAME, subject, "not_applicable", detail=detail, group=_GROUP),)
    return (found,)


def _other_layers(case: Case, layers: "Sequence[Layer] | str") -> str:
    """Return why the layers of a foreign file may be written otherwise than the network's; empty if they are not."""
    if isinstance(layers, str):
        return layers
    judged = any(check.name == "weights" and check.status == "not_applicable" for check in case.found)
    return "not every weight of the network was found in it, and its logits are right" if judged else ""


def _folded_by_another(case: Case) -> Mapping[str, NDArray[np.float32]]:
    """Return the weights into which another program folded a batch norm, as that program rounded them.

    The bound of a layer with few products is smaller than their difference from lenetx's. A weight that differs by more
    than rounding is left out, so its layer fails.
    """
    found, own = case.opened.weights or {}, case.view.usage.tensors
    return {
        name: found[name]
        for name, slack in case.opened.slack.items()
        if name in found and (np.abs(found[name].astype(np.float64) - own[name].numpy()) <= slack).all()
    }


def _compared(
    view: View,
    network: Float64Network,
    inputs: NDArray[np.float32],
    results: Mapping[str, Sequence[NDArray[np.float32]]],
    logits: NDArray[np.float32],
) -> tuple[Layer, ...] | str:
    """Compare the layers, a few inputs at a time to limit memory; return a sentence if that is not possible."""
    import torch

    names = aliases(view.usage.tensors)  # equal weights share one name
    own = {place: names.get(name, name) for place, name in network.names().items()}
    size = max(1, _NUMBERS // inputs[0].size)
    parts = []
    for start in range(0, len(inputs), size):
        given: dict[str, list[Tensor]] = {}
        for name, some in results.items():
            doubles = (torch.from_numpy(each[start : start + size]).double() for each in some)
            given.setdefault(names.get(name, name), []).extend(doubles)
        part, right = (torch.from_numpy(each[start : start + size]).double() for each in (inputs, logits))
        with standard_settings():
            found = check_layers(network, part, own, given, right)
        if isinstance(found, str):
            return found
        parts.append(found)
    return tuple(map(_together, zip(*parts, strict=True)))


def _together(parts: tuple[Layer, ...]) -> Layer:
    units, broken = sum(part.units for part in parts), sum(part.broken for part in parts)
    return Layer(parts[0].name, units, max(part.share for part in parts), broken)


def _verdict(subject: str, layers: "Sequence[Layer] | str") -> Check:
    if isinstance(layers, str):
        return Check(_NAME, subject, "failed", detail=f"It cannot be compared: {layers}.", group=_GROUP)
    worst = max(layers, key=lambda layer: layer.share)
    figures = {
        "kind": "layers",
        "layers": [
            {"layer": each.name, "share": each.share, "units": each.units, "passed": not each.broken} for each in layers
        ],
    }
    wrong = [layer for layer in layers if layer.broken]
    if not wrong:
        detail = f"{worst.name} uses most of its bound, {worst.share:.2%}."
        return Check(_NAME, subject, "passed", worst.share, 1.0, detail, _GROUP, figures)
    first = wrong[0]
    where = "what follows the last layer" if first.name == OUTPUT else f"{first.name}, or what leads to it,"
    detail = (
        f"The first that is wrong is {where} in {first.broken:,} of {first.units:,} numbers, by up to "
        f"{first.share:.3g} times its bound."
    )
    if others := [layer.name for layer in wrong[1:]]:
        detail += f" Wrong by themselves are also {', '.join(others)}."
    return Check(_NAME, subject, "failed", worst.share, 1.0, detail, _GROUP, figures)


def _words(probe: Probe, images: int) -> str:
    return counted(min(len(probe), images), probe.name.removesuffix("s"))
