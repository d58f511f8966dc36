"""Batch normalisation in eval mode, folded into the layer before it, so that every format carries the same bits.

For z = Wx + b and y = γ (z − μ) / √(σ² + ε) + β, the layer y = W'x + b' with s = γ / √(σ² + ε), W' = sW and
b' = s (b − μ) + β is the same one. It is computed in float64 and rounded once. What cannot be folded stays as it is.
"""

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, fx, nn

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

    from .models.probe import forward_on_meta

    pairs = _pairs(network, shape)
    unfolded = copy.deepcopy(network) if pairs else network
    for affine, norm in pairs:
        layer, batch_norm = network.get_submodule(affine), network.get_submodule(norm)
        _fold(layer, batch_norm)
        parent, _, name = norm.rpartition(".")
        setattr(network.get_submodule(parent), name, nn.Identity().eval())
    try:
        forward_on_meta(network, shape)
    except Exception:  # code that asks its batch norms for more than to be called, or that needs real numbers
        return network if _runs(network, shape) else unfolded
    return network


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


def _pairs(network: "nn.Module", shape: tuple[int, int, int]) -> list[tuple[str, str]]:
    """Give the names of each layer and its batch norm; none where torch.fx cannot follow the network's code."""
    from torch import fx

    try:
        graph = fx.Tracer().trace(network)
    except Exception:  # code that looks at numbers or shapes: its batch norms stay
        return []
    modules = dict(network.named_modules(remove_duplicate=False))
    calls = [node for node in graph.nodes if node.op == "call_module"]
    read_elsewhere = {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}

    def is_one_call(node: "fx.Node") -> bool:
        module = modules[str(node.target)]
        return (
            sum(modules[str(each.target)] is module for each in calls) == 1
            and str(node.target) not in read_elsewhere
            and not _has_hooks(module)
        )

    found = []
    for node in calls:
        before = node.args[0] if len(node.args) == 1 else None
        if (
            isinstance(before, fx.Node)
            and before in calls
            and len(before.users) == 1
            and is_one_call(node)
            and is_one_call(before)
            and _fits(modules[str(before.target)], modules[str(node.target)])
        ):
            found.append((str(before.target), str(node.target)))
    flat = _norms_of_rows(network, shape, [modules[norm] for _, norm in found])
    return [(affine, norm) for affine, norm in found if _is_convolution(modules[affine]) or modules[norm] in flat]


def _fits(layer: Any, norm: Any) -> bool:
    """Say whether these are a plain float32 layer of its own weights and a batch norm that has statistics."""
    import torch
    from torch import nn

    if type(norm) not in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d) or norm.running_mean is None:
        return False
    if not _is_convolution(layer) and type(layer) is not nn.Linear:
        return False
    tensors = [*layer.parameters(), *norm.parameters(), norm.running_mean, norm.running_var]
    return not norm.training and all(tensor.dtype == torch.float32 for tensor in tensors)


def _is_convolution(layer: "nn.Module") -> bool:
    from torch import nn

    return type(layer) in (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def _has_hooks(module: "nn.Module") -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _norms_of_rows(network: "nn.Module", shape: tuple[int, int, int], norms: "list[nn.Module]") -> "set[nn.Module]":
    """Give the batch norms whose input is [N, C]: after a linear layer only there is C what the layer gives."""
    from .models.probe import forward_on_meta

    flat: set[nn.Module] = set()

    def look(module: "nn.Module", inputs: "tuple[Tensor, ...]") -> None:
        if inputs[0].ndim == 2:
            flat.add(module)

    handles = [norm.register_forward_pre_hook(look) for norm in norms]
    try:
        forward_on_meta(network, shape)
    except Exception:  # a forward that needs numbers; fx has followed it, so this is rare
        return set()
    finally:
        for handle in handles:
            handle.remove()
    return flat
