"""LeNet-5 in numpy, float32 throughout, whose sums are taken in an order of our choice."""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import nn

__all__ = ["numpy_lenet", "shuffled_matmul", "term_by_term"]

Floats = NDArray[np.float32]
Affine = Callable[[Floats, Floats, Floats], Floats]
"""Takes inputs float32[rows, n], weights float32[units, n] and biases float32[units]; gives float32[rows, units]."""


def numpy_lenet(module: nn.Module, affine: Affine) -> Callable[[Floats], Floats]:
    """Give the same function as a module of ``lenetx.models``, from float32[N, C, H, W] to float32[N, K]."""
    weights = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    activation = np.tanh if isinstance(module.activation, nn.Tanh) else _relu
    pool = _average_pool if isinstance(module.pool, nn.AvgPool2d) else _max_pool

    def layer(x: Floats, name: str) -> Floats:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return affine(x, weight, bias) if weight.ndim == 2 else _convolution(x, weight, bias, affine)

    def run(x: Floats) -> Floats:
        for name in ("conv1", "conv2"):
            x = pool(activation(layer(x, name)))
        x = x.reshape(len(x), -1)
        for name in ("fc1", "fc2"):
            x = activation(layer(x, name))
        return layer(x, "fc3")

    return run


def shuffled_matmul(x: Floats, weight: Floats, bias: Floats) -> Floats:
    """Let the BLAS sum the products in another order."""
    order = np.random.default_rng(0).permutation(x.shape[1])
    return x[:, order] @ weight[:, order].T + bias


def term_by_term(x: Floats, weight: Floats, bias: Floats) -> Floats:
    """Round after each product and each sum, as a plain loop without FMA does: honest float32 at its worst."""
    total = np.repeat(bias[:, None], len(x), axis=1)
    for column, factors in zip(np.ascontiguousarray(x.T), weight.T, strict=True):
        total += factors[:, None] * column
    return total.T


def _convolution(x: Floats, weight: Floats, bias: Floats, affine: Affine) -> Floats:
    windows = sliding_window_view(x, weight.shape[2:], axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5)
    count, height, width = windows.shape[:3]
    units = affine(windows.reshape(count * height * width, -1), weight.reshape(len(weight), -1), bias)
    return units.reshape(count, height, width, -1).transpose(0, 3, 1, 2)


def _relu(x: Floats) -> Floats:
    return np.maximum(x, np.float32(0))


def _max_pool(x: Floats) -> Floats:
    return _pairs(x).max(axis=(3, 5))


def _average_pool(x: Floats) -> Floats:
    return _pairs(x).sum(axis=(3, 5)) * np.float32(0.25)


def _pairs(x: Floats) -> Floats:
    """Give float32[N, C, H/2, 2, W/2, 2]; an odd last row or column is left out."""
    count, channels, height, width = (*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2)
    return x[:, :, : 2 * height, : 2 * width].reshape(count, channels, height, 2, width, 2)
