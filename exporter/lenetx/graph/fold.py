"""Fold batch norms in eval mode into the layer before them, so that every format carries the same bits.

For z = Wx + b and y = γ (z − μ) / √(σ² + ε) + β, the layer y = W'x + b' with s = γ / √(σ² + ε), W' = sW and
b' = s (b − μ) + β is equivalent. It is computed in float64 and rounded once. Batch norms that cannot be folded stay.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from ..execution.copies import deep_copy
from .foldable import foldable, rest_of

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["fold", "terms"]


def fold(network: "nn.Module", shape: tuple[int, int, int], kept: Collection[str] = ()) -> "nn.Module":
    """Fold, in place, every batch norm that is the only reader of the layer before it.

    Args:
        network: in eval mode, with float32 weights.
        shape: (channels, height, width) of its input.
        kept: names of batch norms that are not folded.

    Returns:
        The network, with an ``nn.Identity`` in place of each folded batch norm, or with what its class computes after
        it; an unfolded copy if its code does not run without them.
    """
    from ..models.probe import forward_on_meta

    pairs = _pairs(network, shape, kept)
    if not pairs:
        return network
    unfolded = deep_copy(network, {})
    rests = {id(norm): rest_of(norm) for _, norm in pairs}
    for layer, norm in pairs:
        _fold(layer, norm)
        norm.forward = rests[id(norm)].forward  # the code may also keep the batch norm in a plain list
    for name, module in [*network.named_modules(remove_duplicate=False)]:
        if id(module) in rests:
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, rests[id(module)])
    try:
        forward_on_meta(network, shape)
    except Exception:  # code that reads attributes of its batch norms, or needs real numbers
        return network if _runs(network, shape) else unfolded
    return network


def _runs(network: "nn.Module", shape: tuple[int, int, int]) -> bool:
    import torch

    try:
        with torch.inference_mode():
            network(torch.zeros(2, *shape))
    except Exception:  # whatever the network's code raises
        return False
    return True


def terms(network: "nn.Module", shape: tuple[int, int, int], kept: Collection[str] = ()) -> "dict[str, Tensor]":
    """Return the sum of the absolute values of the terms of each number that ``fold`` would compute.

    Another program that folds in float32 errs by a few roundings of these.

    Args:
        network: in eval mode, with float32 weights, not yet folded.
        shape: (channels, height, width) of its input.
        kept: names of batch norms that are not folded.

    Returns:
        float64 tensors by the names of the folded weights and biases.
    """
    names = {id(module): name for name, module in network.named_modules()}
    found = {}
    for layer, norm in _pairs(network, shape, kept):
        weight, factor, inner, shift = _parts(layer, norm)
        name = names[id(layer)]
        found[f"{name}.weight".removeprefix(".")] = (weight * factor).abs()
        found[f"{name}.bias".removeprefix(".")] = sum(part.abs() for part in inner) * factor.flatten().abs() + abs(
            shift
        )
    return found


def _pairs(network: "nn.Module", shape: tuple[int, int, int], kept: Collection[str]) -> "list[tuple[Any, Any]]":
    names = {id(module): name for name, module in network.named_modules()}
    return [pair for pair in foldable(network, shape) if names.get(id(pair[1])) not in kept]


def _parts(layer: Any, norm: Any) -> "tuple[Tensor, Tensor, list[Tensor], Any]":
    """Return, in float64, W; s, in the shape that multiplies W; the terms b and −μ; and β."""
    import torch

    weight, bias, mean, variance, gain, shift = (
        None if tensor is None else tensor.detach().double()
        for tensor in (layer.weight, layer.bias, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    assert weight is not None
    assert mean is not None
    assert variance is not None
    factor = (1 if gain is None else gain) / torch.sqrt(variance + norm.eps)
    inner = [-mean] if bias is None else [bias, -mean]
    return weight, factor.view(-1, *[1] * (weight.ndim - 1)), inner, 0 if shift is None else shift


def _fold(layer: Any, norm: Any) -> None:
    from torch import nn

    weight, factor, inner, shift = _parts(layer, norm)
    offset = sum(inner[1:], inner[0]) * factor.flatten() + shift
    layer.weight = nn.Parameter((weight * factor).float(), requires_grad=False)
    layer.bias = nn.Parameter(offset.float(), requires_grad=False)
