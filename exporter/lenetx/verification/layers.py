"""Layer by layer, on the artifact's own intermediates: which layer is the first one that is wrong?"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..artifact import OpenedArtifact
from ..bounds.layers import OUTPUT, Layer, judge_layers
from ..eager import full_precision
from ..report import Check
from .reference import Probe, Reference

__all__ = ["layer_by_layer"]

_GROUP = _NAME = "layers"
_IMAGES = 64


def layer_by_layer(opened: OpenedArtifact, reference: Reference) -> Check:
    """Compare every affine layer's results, on the numbers that it was given, with float64 and the bound γₙ₊₁·S."""
    if opened.layers is None:
        return Check(_NAME, "layers", "not_applicable", detail="It shows no intermediates.", group=_GROUP)
    if reference.plan.unknown:
        return Check(_NAME, "layers", "not_applicable", detail=f"No bound: {reference.plan.reason}.", group=_GROUP)
    probes = [reference.made_up("random inputs"), *filter(None, [reference.real])]
    images = max(1, min(_IMAGES, reference.plan.made_up))
    inputs = np.concatenate([probe.inputs[:images] for probe in probes])
    subject = f"{len(inputs)} inputs: {' and '.join(_words(probe, images) for probe in probes)}"
    try:
        results, logits = opened.layers(inputs)
    except Exception as error:  # whatever an engine raises on a model that it cannot run
        return Check(_NAME, subject, "failed", detail=f"It could not run: {' '.join(str(error).split())}", group=_GROUP)
    return _verdict(subject, _judged(reference, inputs, results, logits))


def _judged(
    reference: Reference,
    inputs: NDArray[np.float32],
    results: Mapping[str, Sequence[NDArray[np.float32]]],
    logits: NDArray[np.float32],
) -> tuple[Layer, ...] | str:
    import torch

    network = reference.network.double()
    own = {id(tensor): name for name, tensor in [*network.named_parameters(), *network.named_buffers()]}
    given = {name: [torch.from_numpy(each).double() for each in some] for name, some in results.items()}
    with full_precision("cpu"):
        return judge_layers(network, torch.from_numpy(inputs).double(), own, given, torch.from_numpy(logits).double())


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
    return f"{min(len(probe), images)} {probe.name}"
