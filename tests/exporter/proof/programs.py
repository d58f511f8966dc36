"""Programs that compute a checkpoint's logits: by other weights, by other arithmetic, by sums in another order."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lenetx.weights.checkpoint import Checkpoint

from .conftest import Floats, Function

__all__ = ["ROUNDED", "computed_in", "eager", "factors", "in_order", "term_by_term", "with_layers", "with_other"]

Compute = Callable[[Any, Tensor], Tensor]
"""From a layer and its inputs to what it gives."""


def eager(module: nn.Module) -> Function:
    def run(inputs: Floats) -> Floats:
        with torch.no_grad():
            return module(torch.from_numpy(inputs)).numpy()

    return run


def with_other(checkpoint: Checkpoint, weights: Mapping[str, Tensor]) -> Function:
    """The network with other numbers in some of its weights."""
    module = checkpoint.module()
    module.load_state_dict({**checkpoint.state_dict, **weights})
    return eager(module)


def with_layers(checkpoint: Checkpoint, compute: Compute) -> Function:
    """The network with its convolutions and dense layers computed in another way."""
    module = checkpoint.module()
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.forward = partial(compute, layer)  # type: ignore[method-assign]
    return eager(module)


def tf32(tensor: Tensor) -> Tensor:
    """Round to the 10 bits that TF32 keeps of the mantissa's 23, to nearest and ties to even."""
    bits = tensor.contiguous().numpy().view(np.int32)
    rounded = (bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF
    return torch.from_numpy(rounded.view(np.float32))


ROUNDED: dict[str, Callable[[Tensor], Tensor]] = {
    "TF32": tf32,
    "bfloat16": lambda tensor: tensor.bfloat16().float(),
    "float16": lambda tensor: tensor.half().float(),
}


def computed_in(precision: str) -> Compute:
    """Round what goes into each product, as tensor cores do, and sum in float32."""
    rounded = ROUNDED[precision]

    def compute(layer: Any, x: Tensor) -> Tensor:
        if isinstance(layer, nn.Linear):
            return functional.linear(rounded(x), rounded(layer.weight), layer.bias)
        return layer._conv_forward(rounded(x), rounded(layer.weight), layer.bias)

    return compute


def in_order(seed: int) -> Compute:
    """Let the BLAS sum the products in a random order."""

    def compute(layer: Any, x: Tensor) -> Tensor:
        columns, weight = factors(layer, x)
        order = torch.randperm(weight.shape[1], generator=torch.Generator().manual_seed(seed))
        sums = weight[:, order] @ columns[:, order]
        return _shaped(layer, sums + layer.bias[:, None], x)

    return compute


def term_by_term(seed: int) -> Compute:
    """Round after each product and each sum, in a random order that the bias is part of."""

    def compute(layer: Any, x: Tensor) -> Tensor:
        columns, weight = factors(layer, x)
        terms = weight.shape[1]
        total = torch.zeros(len(x), len(weight), columns.shape[2])
        for term in torch.randperm(terms + 1, generator=torch.Generator().manual_seed(seed)).tolist():
            total += layer.bias[:, None] if term == terms else weight[:, term, None] * columns[:, None, term]
        return _shaped(layer, total, x)

    return compute


def factors(layer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the factors of each layer's products: [N, n, P] of the inputs, and [units, n] of the weight."""
    if isinstance(layer, nn.Linear):
        return x[:, :, None], layer.weight
    columns = functional.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    return columns, layer.weight.flatten(1)


def _shaped(layer: Any, sums: Tensor, x: Tensor) -> Tensor:
    if isinstance(layer, nn.Linear):
        return sums[:, :, 0]
    with torch.device("meta"):
        shape = functional.conv2d(
            x.to("meta"), layer.weight.to("meta"), None, layer.stride, layer.padding, layer.dilation
        ).shape
    return sums.view(shape)
