"""Which limit is used for which network, and how many inputs are affordable."""

import numpy as np
import pytest
import torch
from torch import nn

from lenetx import models
from lenetx.bounds import limits
from lenetx.bounds.measure import GROUP_SIZE, measure, plan
from lenetx.execution.float64 import Float64Network
from lenetx.graph.tape import record

from .conftest import float64


@pytest.mark.parametrize("name", models.names())
def test_the_bound_is_known_for_every_network_of_ours(name):
    shape = models.input_shape(name)
    found = plan(models.build(name, shape, 10).eval(), shape, 10_000)
    assert (found.method, found.reason, found.inapplicable) == ("adjoint", "", False)
    assert found.group_size == GROUP_SIZE


def test_a_network_of_unknown_operators_says_which():
    found = plan(nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.GELU()).eval(), (1, 8, 8), 10)
    assert (found.method, found.reason, found.inapplicable) == ("self-calibrated", "the bound does not know gelu", True)


def test_a_large_network_is_asked_on_fewer_inputs_and_calibrated_where_the_bound_costs_too_much():
    layers = (nn.Conv2d(3, 64, 7), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 100))
    network = nn.Sequential(*layers).eval()
    few = plan(network, (3, 112, 112), 16)
    assert (few.method, few.inapplicable) == ("adjoint", False)
    assert 2 <= few.group_size < GROUP_SIZE
    many = plan(network, (3, 112, 112), 100_000)
    assert (many.method, many.inapplicable) == ("self-calibrated", False)
    assert "would take" in many.reason
    strange = nn.Sequential(nn.Conv2d(3, 256, 11), nn.GELU(), *layers[2:-1], nn.Linear(256, 10)).eval()
    unknown = plan(strange, (3, 224, 224), 16)
    assert (unknown.method, unknown.inapplicable) == ("self-calibrated", True)
    assert 2 <= unknown.group_size < GROUP_SIZE


def test_what_is_measured_is_the_network_in_both_precisions_whatever_the_batches():
    float32 = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()
    twin = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    twin.load_state_dict(float32.state_dict())
    twin = float64(twin)
    inputs = np.random.default_rng(0).standard_normal((97, 1, 8, 8), np.float32)
    found = measure(float32, Float64Network(float32), inputs, "adjoint")
    exact = torch.from_numpy(inputs).double()
    np.testing.assert_allclose(found.exact, twin(exact).numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.eager, float32(torch.from_numpy(inputs)).numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.limits, limits(record(twin, exact)).numpy(), rtol=1e-9)
    threads = torch.get_num_threads()
    calibrated = measure(float32, Float64Network(float32), inputs, "self-calibrated")
    assert torch.get_num_threads() == threads
    assert np.unique(calibrated.limits).size == 1


class PerImage(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(784, 3)

    def forward(self, x):
        mean, spread = x.mean(dim=(1, 2, 3), keepdim=True), x.std(dim=(1, 2, 3), keepdim=True)
        return self.head(((x - mean) / (spread + 1e-5)).flatten(1))


def test_images_of_one_grey_level_are_measured_where_the_code_divides_by_their_spread():
    network = PerImage().eval()
    levels = np.linspace(0.05, 1, 18, dtype=np.float32)[:, None, None, None]
    found = measure(network, Float64Network(network), np.tile(levels, (1, 1, 28, 28)), "self-calibrated")
    assert (np.abs(found.eager - found.exact) <= found.limits / 16).all()
