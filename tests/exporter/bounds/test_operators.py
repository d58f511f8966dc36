"""What rounding does in each operator: never less than what float32 does."""

import operator

import pytest
import torch
from torch import nn
from torch.nn import functional

from lenetx.bounds.operators import operator_of
from lenetx.graph.tape import record

from .conftest import float64, images, worst_of


def norm_of(channels):
    """In the precision of what it is given."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mean, variance, weight, bias = torch.randn(4, channels)
    variance = variance.abs() + 0.5

    def run(x):
        return functional.batch_norm(x, *(each.to(x) for each in (mean, variance, weight, bias)))

    return run


POINTWISE = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "product": lambda x: x * 0.3,
    "quotient": lambda x: x / 0.7,
    "sum": lambda x: x + 0.1,
    "difference": lambda x: x - 0.1,
    "square": lambda x: x * x,
    "average pooling": lambda x: functional.avg_pool2d(x, 3, 2, 1),
    "average of an image": lambda x: functional.adaptive_avg_pool2d(x, 3),
    "mean": lambda x: x.mean((2, 3)),
    "batch norm": norm_of(2),
    "leaky": lambda x: functional.leaky_relu(x, 0.3),
}


@pytest.mark.parametrize("scale", [1e-40, 1e-3, 1.0, 1e3])
@pytest.mark.parametrize("name", POINTWISE)
def test_one_operator_on_exact_numbers_errs_by_no_more_than_its_worst(name, scale):
    """Denormal numbers among them, and constants that float32 does not hold."""
    run = POINTWISE[name]
    inputs = (images(4) * scale).float()
    (step,) = record(run, inputs.double()).steps
    worst = operator_of(step.operator).worst(step, {})
    error = (run(inputs).double() - step.results[0]).abs()
    assert bool((error <= worst).all())


def test_a_gate_of_which_the_image_sums_to_nothing_passes_its_error_on():
    """x·s for every pixel x of a channel and one s: each is off by |x| times the error of s, whatever their sum."""
    x = torch.tensor([[[[3.0, -3.0], [2.0, -2.0]]]], dtype=torch.float64)
    gate = float64(nn.Linear(4, 1))

    def run(inputs):
        return x * gate(inputs.flatten(1))[:, :, None, None]

    error = worst_of(lambda inputs: gate(inputs.flatten(1)), x)
    found = worst_of(run, x)
    right = x.abs() * error[:, :, None, None]
    assert bool((found >= right).all())
    assert bool((found <= right + 2.0**-23 * (x * gate(x.flatten(1))[:, :, None, None]).abs() + 1e-30).all())


TWO = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "/ turned": lambda h, s: s / h}


@pytest.mark.parametrize("of", TWO.values(), ids=TWO)
def test_errors_of_a_number_for_many_pixels_are_those_of_each_pixel(of):
    """Against moving either operand by its whole error, in each direction."""
    conv, gate = float64(nn.Conv2d(2, 4, 3)), float64(nn.Linear(128, 4))
    inputs = images(2)
    h, s = conv(inputs), gate(inputs.flatten(1))[:, :, None, None]
    off_h, off_s = worst_of(conv, inputs), worst_of(lambda x: gate(x.flatten(1)), inputs)[:, :, None, None]
    found = worst_of(lambda x: of(conv(x), gate(x.flatten(1))[:, :, None, None]), inputs)
    little = 1e-3  # to first order
    ways = [of(h + a * little * off_h, s + b * little * off_s) - of(h, s) for a in (-1, 1) for b in (-1, 1)]
    right = torch.stack(ways).abs().amax(0) / little
    rounding = 2.0**-23 * of(h, s).abs() + 1e-30
    assert bool((found >= 0.99 * right).all())
    assert bool((found <= 1.01 * right + rounding).all())


def test_what_padding_adds_has_no_error():
    conv = float64(nn.Conv2d(2, 4, 3))
    inputs = images()
    within = worst_of(conv, inputs)
    for value in (0.0, 7.5, float("-inf")):
        found = worst_of(lambda x, value=value: functional.pad(conv(x), (1, 2, 0, 1), value=value), inputs)
        torch.testing.assert_close(found, functional.pad(within, (1, 2, 0, 1)))


def test_max_pooling_errs_by_the_largest_error_of_a_window():
    conv = float64(nn.Conv2d(2, 4, 3))
    inputs = images()
    found = worst_of(lambda x: functional.max_pool2d(conv(x), 3, 2, 1, ceil_mode=True), inputs)
    torch.testing.assert_close(found, functional.max_pool2d(worst_of(conv, inputs), 3, 2, 1, ceil_mode=True))
