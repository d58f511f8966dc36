"""n, S and Q of layers, against loops over every product."""

import itertools

import pytest
import torch
from torch import nn

from lenetx.bounds.affine import sums
from lenetx.bounds.operators import operator_of
from lenetx.graph.tape import record

from .conftest import float64, images


def products_of(layer, inputs, row, unit, y, x):
    """Every w·x of one number that a convolution gives."""
    group = unit // (layer.out_channels // layer.groups)
    found = []
    for channel, i, j in itertools.product(range(layer.weight.shape[1]), *map(range, layer.kernel_size)):
        a = y * layer.stride[0] - layer.padding[0] + i * layer.dilation[0]
        b = x * layer.stride[1] - layer.padding[1] + j * layer.dilation[1]
        inside = 0 <= a < inputs.shape[2] and 0 <= b < inputs.shape[3]
        value = inputs[row, group * layer.weight.shape[1] + channel, a, b] if inside else 0.0
        found.append(float(layer.weight[unit, channel, i, j] * value))
    return found


CONVOLUTIONS = {
    "plain": {},
    "stride": {"stride": (2, 1)},
    "padding": {"padding": (1, 2)},
    "groups": {"groups": 2},
    "dilation": {"dilation": 2},
    "all": {"stride": 2, "padding": 1, "dilation": (1, 2), "groups": 2},
    "no bias": {"bias": False, "padding": 1},
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_convolution(kind):
    layer, inputs = float64(nn.Conv2d(4, 6, (3, 2), **CONVOLUTIONS[kind])), images(2, 4, 7)
    (step,) = record(layer, inputs).steps
    found = sums(step)
    assert found.terms == 6 * 4 // layer.groups
    biases = torch.zeros(6) if layer.bias is None else layer.bias
    for row, unit, y, x in [(0, 0, 0, 0), (1, 5, 1, 2), (0, 3, -1, -1), (1, 2, 0, -1)]:
        height, width = found.absolute.shape[2:]
        products = products_of(layer, inputs, row, unit, y % height, x % width)
        bias = float(biases[unit])
        right = abs(bias) + sum(map(abs, products))
        assert float(found.absolute[row, unit, y, x]) == pytest.approx(right, rel=1e-12)
        right = bias**2 + sum(each**2 for each in products)
        assert float(found.squared[row, unit, y, x]) == pytest.approx(right, rel=1e-12)
        assert float(step.results[0][row, unit, y, x]) == pytest.approx(bias + sum(products), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("kernel", [(3, 2), 1], ids=["3x2", "1x1"])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_the_gradients_of_a_convolution_are_those_of_autograd(kind, kernel):
    layer, inputs = float64(nn.Conv2d(4, 6, kernel, **CONVOLUTIONS[kind])), images(2, 4, 7)
    (step,) = record(layer, inputs).steps
    gradient = torch.randn(3, *step.results[0].shape, dtype=torch.float64)
    found = operator_of(step.operator).pull_back(step, gradient, {})[0]
    with torch.enable_grad():
        again = inputs.clone().requires_grad_()
        output = layer(again)
        (right,) = torch.autograd.grad(output, again, gradient, is_grads_batched=True)
    torch.testing.assert_close(found, right)


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias):
    layer, inputs = float64(nn.Linear(7, 3, bias=bias)), torch.randn(4, 7, dtype=torch.float64)
    (step,) = record(layer, inputs).steps
    found = sums(step)
    assert found.terms == 7
    for row, unit in itertools.product(range(4), range(3)):
        products = [float(w * x) for w, x in zip(layer.weight[unit], inputs[row], strict=True)]
        offset = float(layer.bias[unit]) if bias else 0.0
        assert float(found.absolute[row, unit]) == pytest.approx(abs(offset) + sum(map(abs, products)), rel=1e-12)
        assert float(found.squared[row, unit]) == pytest.approx(offset**2 + sum(p**2 for p in products), rel=1e-12)


def test_underflow_counts_each_input_and_weight_that_a_processor_may_flush_to_zero():
    layer, inputs = float64(nn.Linear(3, 2)), torch.tensor([[1.0, -5.0, 2.0]], dtype=torch.float64)
    (step,) = record(layer, inputs).steps
    largest = float(layer.weight.abs().max())
    assert float(sums(step).underflow) == pytest.approx(3 * 2.0**-126 * (1 + largest + 5))
