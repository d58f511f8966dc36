"""Build faulty programs: weights that differ from the checkpoint's, or arithmetic coarser than float32."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from _honest import Floats, Program, eager
from torch import Tensor, nn

from lenetx import Checkpoint

__all__ = ["faulty", "faulty_modules", "in_tf32"]

Rounding = Callable[[Tensor], Tensor]


def faulty(checkpoint: Checkpoint) -> Iterator[tuple[str, str, Program]]:
    """Yield (the kind of fault, its location, the program)."""
    for kind, rounding in _ROUNDINGS.items():
        yield f"arithmetic in {kind}", "all layers", eager(_coarse(checkpoint.module(), rounding))
    for kind, where, module in faulty_modules(checkpoint):
        yield kind, where, eager(module)


def faulty_modules(checkpoint: Checkpoint) -> Iterator[tuple[str, str, nn.Module]]:
    """Yield (the kind of fault, its location, the network with wrong weights)."""
    for kind, rounding in _ROUNDINGS.items():
        weights = {name: rounding(tensor) for name, tensor in _fractions(checkpoint).items()}
        yield f"weights rounded to {kind}", "all layers", _module(checkpoint, weights)
    for name, tensor in _fractions(checkpoint).items():
        if name.endswith("weight"):
            kind, changed = "one layer's weights × (1 + 1e-4)", tensor * (1 + 1e-4)
        elif name.endswith("running_var"):
            kind, changed = "one layer's variances × (1 + 1e-4)", tensor * (1 + 1e-4)
        else:
            kind, changed = "one bias or mean + 1e-3", tensor.clone()
            changed[0] += 1e-3
        yield kind, name, _module(checkpoint, {name: changed})


def in_tf32(network: nn.Module, inputs: Floats) -> tuple[dict[str, list[Floats]], Floats]:
    """Run a network in TF32 and return (the outputs of each affine layer by the name of its weight, the logits).

    Args:
        network: the network, in eval mode; it is modified.
        inputs: float32[N, C, H, W].
    """
    given: dict[str, list[Floats]] = {}
    for name, layer in _coarse(network, _tf32).named_modules():
        if _is_affine(layer):
            layer.register_forward_hook(
                lambda _, __, result, weight=f"{name}.weight": given.setdefault(weight, []).append(result.numpy())
            )
    logits = eager(network)(inputs)
    return given, logits


def _coarse(network: nn.Module, rounding: Rounding) -> nn.Module:
    """Make each affine layer round its factors; sums stay in float32, as in hardware."""
    for layer in network.modules():
        if _is_affine(layer):
            with torch.no_grad():
                layer.weight.copy_(rounding(layer.weight.detach()))
            layer.register_forward_pre_hook(lambda _, inputs: rounding(inputs[0]))
    return network


def _is_affine(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d | nn.Linear)


def _module(checkpoint: Checkpoint, changed: Mapping[str, Tensor]) -> nn.Module:
    module = checkpoint.module()
    module.load_state_dict({**checkpoint.state_dict, **changed})
    return module


def _fractions(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Return the floating-point tensors of a checkpoint."""
    return {name: tensor for name, tensor in checkpoint.state_dict.items() if tensor.is_floating_point()}


def _tf32(tensor: Tensor) -> Tensor:
    """Round the 23-bit mantissa to TF32's 10 bits, to nearest, ties to even."""
    bits = tensor.contiguous().numpy().view(np.int32)
    rounded = (bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF
    return torch.from_numpy(rounded.view(np.float32))


_ROUNDINGS: dict[str, Rounding] = {
    "TF32": _tf32,
    "bfloat16": lambda tensor: tensor.bfloat16().float(),
    "float16": lambda tensor: tensor.half().float(),
}
