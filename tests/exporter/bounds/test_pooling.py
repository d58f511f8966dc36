import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules.utils import _pair

from lenetx.bounds.operators import operator_of
from lenetx.graph.tape import record


def numbers_of(pool, at, shape):
    """The places of the numbers in a window."""
    spans = [
        [
            place
            for place in range(start * stride - before, start * stride - before + size * gap, gap)
            if 0 <= place < most
        ]
        for start, stride, before, size, gap, most in zip(
            at, *map(_pair, (pool.stride, pool.padding, pool.kernel_size, pool.dilation)), shape, strict=True
        )
    ]
    return list(itertools.product(*spans))


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(2),
        nn.MaxPool2d(3, 2, padding=1, ceil_mode=True),
        nn.MaxPool2d((2, 3), (1, 2), padding=(0, 1)),
        nn.MaxPool2d(2, 3, dilation=2, ceil_mode=True),
    ],
    ids=str,
)
def test_the_gradient_goes_to_the_largest_number_and_to_the_next_if_that_may_be_larger(pool):
    """Against a loop over the windows, on levels of which many tie or are within each other's error."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randint(0, 12, (2, 3, 7, 8), generator=generator).double()
    error = torch.rand(inputs.shape, generator=generator, dtype=torch.float64)
    step = record(pool, inputs).steps[0]
    output, chosen = step.results
    expected = torch.zeros_like(inputs)
    for image, channel, *at in np.ndindex(*output.shape):
        values, slack, sums = (each[image, channel] for each in (inputs, error, expected))
        sums.view(-1)[chosen[image, channel, *at]] += 1
        numbers = numbers_of(pool, at, values.shape)
        top = output[image, channel, *at]
        second = max((each for each in numbers if values[each] < top), key=lambda each: values[each], default=None)
        if second is not None:
            of_top = max(slack[each] for each in numbers if values[each] == top)
            sums[second] += top - values[second] <= of_top + slack[second]
    operator, errors = operator_of(step.operator), {0: error}
    found = operator.pull_back(step, torch.ones(1, *output.shape).double(), errors)[0]
    torch.testing.assert_close(found[0], expected)
    assert output.numel() < expected.sum() < 2 * output.numel()
    carried = operator.carry(step, error, errors)
    if carried is not None:  # else the windows overlap
        torch.testing.assert_close(carried.sum(), (found[0] * error).sum())
