"""An engine that adds products to a bias one by one is honest, even where the bias is most of a logit."""

import numpy as np
import pytest
import torch
from torch import nn

from lenetx.bounds.calibrated import MULTIPLE
from lenetx.bounds.last_sums import LastSums
from lenetx.bounds.measure import measure
from lenetx.execution.carrier import Watch
from lenetx.execution.float64 import Float64Network

INPUTS = np.random.default_rng(0).standard_normal((8, 1, 64, 64), np.float32)


class Net(nn.Sequential):
    """Its products are tiny beside its bias, as in networks that were not trained."""

    def __init__(self, *after):
        super().__init__(nn.Flatten(), nn.GELU(), nn.Linear(4096, 5), *after)
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(0)
            self[2].weight.normal_(0, 1e-6)
            self[2].bias.uniform_(0.5, 1)


def one_by_one(network, inputs):
    with torch.no_grad():
        hidden = network[1](network[0](torch.from_numpy(inputs))).numpy()
    weight, bias = (each.detach().numpy() for each in (network[2].weight, network[2].bias))
    first = np.broadcast_to(bias[None, :, None], (len(inputs), len(bias), 1))
    terms = np.concatenate([first, hidden[:, None, :] * weight], axis=2)
    return np.add.accumulate(terms, axis=2, dtype=np.float32)[..., -1]


def test_the_limit_allows_it():
    network = Net().eval()
    found = measure(network, Float64Network(network), INPUTS, "self-calibrated")
    error = np.abs(one_by_one(network, INPUTS) - found.exact).max()
    eager = max(np.abs(found.eager - found.exact).max(), 2.0**-24 * np.abs(found.exact).max())
    assert MULTIPLE * eager < error < found.limits.max() / 4


@pytest.mark.parametrize("last", [nn.ReLU(inplace=True), nn.Tanh(), nn.Linear(5, 3, bias=False), nn.Conv2d(1, 2, 1)])
def test_other_layers_at_the_end_leave_the_logits_as_they_are(last):
    network = (nn.Sequential(last) if isinstance(last, nn.Conv2d) else Net(last)).eval()
    if isinstance(last, nn.ReLU):
        nn.init.constant_(network[2].bias, -1)
    sums = LastSums()
    with torch.no_grad(), Watch(sums.call):
        eager = network(torch.from_numpy(INPUTS))
    assert sums.logits(eager) is eager
