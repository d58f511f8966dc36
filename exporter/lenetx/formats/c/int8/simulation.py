"""Compute with numpy exactly the integers that an int8 C program computes.

All arithmetic is on integers in int64. Sums of products are float64 matrix products, which are exact: every partial
sum is an integer below 2^53.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .fixed import rounded
from .lower import Integers
from .steps import Affine, Average, Join, MaxPool, Quantization, Step, Table, Total

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Simulation", "quantized"]

_TOGETHER = 250
"""Images in a batch."""


def quantized(inputs: "NDArray[np.float32]", how: Quantization) -> "NDArray[np.int8]":
    """Return clamp(zero + round(inputs ÷ scale)), in float32, ties to even."""
    scaled = np.clip(inputs / np.float32(how.scale), np.float32(-512), np.float32(512))
    found: NDArray[np.int8] = np.clip(np.rint(scaled).astype(np.int64) + how.zero, -128, 127).astype(np.int8)
    return found


class Simulation:
    """An int8 program in numpy.

    Args:
        integers: its steps.
        weights: the tensors of its graph, by name.
    """

    def __init__(self, integers: Integers, weights: "Mapping[str, NDArray[Any]]") -> None:
        self._integers, self._weights = integers, weights

    def logits(self, inputs: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return float32[N, K] logits for float32[N, C, H, W], bit for bit the C program's."""
        return self._run(inputs)[1]

    def tensors(self, inputs: "NDArray[np.float32]") -> "dict[str, NDArray[np.int8]]":
        """Return the int8[N, …] numbers of every quantized tensor, by name."""
        return self._run(inputs)[0]

    def _run(self, inputs: "NDArray[np.float32]") -> "tuple[dict[str, NDArray[np.int8]], NDArray[np.float32]]":
        parts = [self._part(inputs[start : start + _TOGETHER]) for start in range(0, len(inputs), _TOGETHER)]
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        logits = found.pop(self._integers.output)
        return found, logits.reshape(len(inputs), -1)

    def _part(self, inputs: "NDArray[np.float32]") -> "dict[str, NDArray[Any]]":
        own = self._integers
        with np.errstate(over="ignore"):
            values: dict[str, NDArray[Any]] = {own.given: quantized(inputs, own.first)}
        for step in own.steps:
            read = [values[name].astype(np.int64) for name in step.reads]
            made = self._step(step, read)
            kind = np.float32 if step.writes == own.output else np.int8
            values[step.writes] = made.astype(kind).reshape(len(inputs), *step.shape)
        return values

    def _step(self, step: Step, read: "list[NDArray[np.int64]]") -> "NDArray[Any]":
        if isinstance(step, Affine):
            return _affine(step, read[0], self._weights[step.weight])
        if isinstance(step, Table):
            return _looked_up(step.table, read[0])
        if isinstance(step, MaxPool):
            windows = _windows(step, read[0], -129)
            most = windows.max(axis=(4, 5))
            return most if step.table is None else _looked_up(step.table, most)
        if isinstance(step, Average):
            return _average(step, read[0])
        if isinstance(step, Total):
            shape = [1, -1, *[1] * (read[0].ndim - 2)]
            terms = ((x - zero) * factor for x, zero, factor in zip(read, step.zeros, step.factors, strict=True))
            return rounded(sum(terms, step.constants.reshape(shape)), step.shift, step.zero)
        assert isinstance(step, Join)
        tables = zip(read, step.tables, strict=True)
        return np.concatenate([x if table is None else _looked_up(table, x) for x, table in tables], axis=1)


def _looked_up(table: "NDArray[np.int8]", numbers: "NDArray[np.int64]") -> "NDArray[np.int64]":
    channels = np.arange(len(table)).reshape(-1, *[1] * (numbers.ndim - 2))
    found: NDArray[np.int64] = table[channels, numbers + 128].astype(np.int64)
    return found


def _affine(step: Affine, x: "NDArray[np.int64]", weights: "NDArray[Any]") -> "NDArray[Any]":
    window = step.order.shape
    numbers = weights.ravel()[step.order].astype(np.float64).reshape(step.groups, window[0] // step.groups, -1)
    columns = _columns(step, x.reshape(len(x), *step.given))
    products = columns @ numbers.transpose(0, 2, 1)[None]
    sums = products.astype(np.int64).transpose(0, 1, 3, 2).reshape(len(x), window[0], -1) + step.bias[None, :, None]
    if step.rescale is None:
        assert step.scales is not None
        return sums.astype(np.float32) * step.scales[None, :, None]
    factors = step.rescale.factors.astype(np.int64)[None, :, None]
    shifts = step.rescale.shifts.astype(np.int64)[None, :, None]
    return rounded(sums * factors, shifts, step.rescale.zero)


def _columns(step: Affine, x: "NDArray[np.int64]") -> "NDArray[np.float64]":
    """Return x - zero of each window, float64[N, groups, positions, C/groups · rows · columns]."""
    top, left, bottom, right = step.pads
    framed = np.pad(x - step.zero, ((0, 0), (0, 0), (top, bottom), (left, right)))
    seen = _seen(framed, step.order.shape[2:], step.strides, step.dilations, step.size)
    count, channels, rows, columns = seen.shape[:4]
    grouped = seen.reshape(count, step.groups, channels // step.groups, rows * columns, -1)
    return grouped.transpose(0, 1, 3, 2, 4).reshape(count, step.groups, rows * columns, -1).astype(np.float64)


def _seen(framed: "NDArray[np.int64]", window: Any, strides: Any, dilations: Any, size: Any) -> "NDArray[np.int64]":
    """Return the numbers of each window, [N, C, rows, columns, window rows, window columns]."""
    reach = [dilation * (length - 1) + 1 for length, dilation in zip(window, dilations, strict=True)]
    found = np.lib.stride_tricks.sliding_window_view(framed, reach, axis=(2, 3))
    found = found[:, :, :: strides[0], :: strides[1], :: dilations[0], :: dilations[1]]
    return found[:, :, : size[0], : size[1]]


def _windows(step: "MaxPool | Average", x: "NDArray[np.int64]", border: int) -> "NDArray[np.int64]":
    pool, (_, height, width) = step.pool, step.given
    frame = []
    for axis, length in enumerate((height, width)):
        reach = (step.size[axis] - 1) * pool.strides[axis] + (pool.window[axis] - 1) * pool.dilations[axis] + 1
        frame.append((pool.pads[axis], max(0, reach - length - pool.pads[axis])))
    framed = np.pad(x.reshape(len(x), *step.given), ((0, 0), (0, 0), *frame), constant_values=border)
    return _seen(framed, pool.window, pool.strides, pool.dilations, step.size)


def _average(step: Average, x: "NDArray[np.int64]") -> "NDArray[Any]":
    windows = _windows(step, x, step.zero)
    numbers = windows - step.zero if step.entries is None else step.entries.astype(np.int64)[windows + 128]
    sums: NDArray[Any] = numbers.sum(axis=(4, 5))
    if step.rescale is None:
        assert step.scale is not None
        return sums.astype(np.float32) * np.float32(step.scale)
    return rounded(sums * int(step.rescale.factors[0]), int(step.rescale.shifts[0]), step.rescale.zero)
