"""Batch normalisation in eval mode, folded into the layer before it, so that every format carries the same bits.

For z = Wx + b and y = γ (z − μ) / √(σ² + ε) + β, the layer y = W'x + b' with s = γ / √(σ² + ε), W' = sW and
b' = s (b − μ) + β is the same one. It is computed in float64 and rounded once. What cannot be folded stays as it is.
"""

import copy
from typing import TYPE_CHECKING, Any

from .foldable import foldable

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["fold"]


def fold(network: "nn.Module", shape: tuple[int, int, int]) -> "nn.Module":
    """Fold in place every batch norm whose only input is a layer that nothing else reads.

    Args:
        network: in eval mode, with float32 weights.
        shape: (channels, height, width) of its input.

    Returns:
        The network, with an ``nn.Identity`` for each batch norm that was folded; an unfolded copy where its code does
        not run without them.
    """
    from torch import nn

    from ..models.probe import forward_on_meta

    pairs = foldable(network, shape)
    if not pairs:
        return network
    unfolded = copy.deepcopy(network)
    norms = {id(norm) for _, norm in pairs}
    for layer, norm in pairs:
        _fold(layer, norm)
        norm.forward = _same  # where the code keeps the batch norm in a list of its own too
    for name, module in [*network.named_modules(remove_duplicate=False)]:
        if id(module) in norms:
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, nn.Identity().eval())
    try:
        forward_on_meta(network, shape)
    except Exception:  # code that asks its batch norms for more than to be called, or that needs real numbers
        return network if _runs(network, shape) else unfolded
    return network


def _same(inputs: "Tensor") -> "Tensor":
    return inputs


def _runs(network: "nn.Module", shape: tuple[int, int, int]) -> bool:
    import torch

    try:
        with torch.inference_mode():
            network(torch.zeros(2, *shape))
    except Exception:  # whatever its code raises
        return False
    return True


def _fold(layer: Any, norm: Any) -> None:
    import torch
    from torch import nn

    weight, bias, mean, variance, gain, shift = (
        None if tensor is None else tensor.detach().double()
        for tensor in (layer.weight, layer.bias, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    assert weight is not None
    assert mean is not None
    assert variance is not None
    factor = (1 if gain is None else gain) / torch.sqrt(variance + norm.eps)
    offset = (-mean if bias is None else bias - mean) * factor + (0 if shift is None else shift)
    layer.weight = nn.Parameter((weight * factor.view(-1, *[1] * (weight.ndim - 1))).float(), requires_grad=False)
    layer.bias = nn.Parameter(offset.float(), requires_grad=False)
