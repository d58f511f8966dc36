"""Implement the networks in numpy, in float32 throughout, with a chosen order of summation."""

from collections.abc import Callable

import numpy as np
from _gap_net import GapNet
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import nn

__all__ = ["in_random_order", "numpy_net", "shuffled_matmul"]

Floats = NDArray[np.float32]
Affine = Callable[[Floats, Floats, Floats], Floats]
"""Maps inputs float32[rows, n], weights float32[units, n] and biases float32[units] to float32[rows, units]."""


def numpy_net(module: nn.Module, affine: Affine) -> Callable[[Floats], Floats]:
    """Return a numpy version of a module of ``lenetx.models`` or a ``GapNet``: float32[N, C, H, W] to float32[N, K].

    Batch norms are computed separately, not folded.
    """
    weights = {name: tensor.numpy() for name, tensor in module.state_dict().items()}

    def layer(x: Floats, name: str) -> Floats:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return affine(x, weight, bias) if weight.ndim == 2 else _convolution(x, weight, bias, affine)

    def norm(x: Floats, name: str) -> Floats:
        if f"{name}.running_var" not in weights:
            return x
        weight, bias, mean, variance = (
            weights[f"{name}.{part}"].reshape(-1, *[1] * (x.ndim - 2))
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + np.float32(module.get_submodule(name).eps)) * weight + bias

    def lenet(x: Floats) -> Floats:
        activation = np.tanh if isinstance(module.activation, nn.Tanh) else _relu
        pool = _average_pool if isinstance(module.pool, nn.AvgPool2d) else _max_pool
        for number, name in enumerate(("conv1", "conv2"), 1):
            x = pool(activation(norm(layer(x, name), f"bn{number}")))
        x = x.reshape(len(x), -1)
        for number, name in enumerate(("fc1", "fc2"), 3):
            x = activation(norm(layer(x, name), f"bn{number}"))
        return layer(x, "fc3")

    def gap(x: Floats) -> Floats:
        (border,) = set(module.conv1.padding)
        x = _relu(layer(np.pad(x, ((0, 0), (0, 0), (border, border), (border, border))), "conv1"))
        planes = layer(x, "conv2").reshape(len(x) * module.conv2.out_channels, -1)
        pixels = planes.shape[1]
        sums = affine(planes, np.ones((1, pixels), np.float32), np.zeros(1, np.float32))
        return sums.reshape(len(x), -1) / np.float32(pixels)

    return gap if isinstance(module, GapNet) else lenet


def shuffled_matmul(x: Floats, weight: Floats, bias: Floats) -> Floats:
    """Shuffle the terms so that BLAS sums the products in another order."""
    order = np.random.default_rng(0).permutation(x.shape[1])
    return x[:, order] @ weight[:, order].T + bias


def in_random_order(seed: int) -> Affine:
    """Return an affine function that adds products and bias in a random order and rounds after each operation.

    This is what a plain loop without FMA does: the worst case of honest float32.
    """
    random = np.random.default_rng(seed)

    def affine(x: Floats, weight: Floats, bias: Floats) -> Floats:
        columns = np.ascontiguousarray(x.T)
        total = np.zeros((len(weight), len(x)), np.float32)
        for place in random.permutation(len(columns) + 1):
            total += bias[:, None] if place == len(columns) else weight[:, place, None] * columns[place]
        return total.T

    return affine


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
    """Return float32[N, C, H/2, 2, W/2, 2]; an odd last row or column is dropped."""
    count, channels, height, width = (*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2)
    return x[:, :, : 2 * height, : 2 * width].reshape(count, channels, height, 2, width, 2)
