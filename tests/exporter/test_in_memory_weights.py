"""Checkpoints of modules in memory whose weights are computed or shared."""

import pytest
import torch
from torch import nn

import lenetx
from lenetx import Checkpoint

SHAPE = (1, 12, 12)
QUIET = {"on_notice": lambda _: None}


def images(count=5):
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(3))


def trained(module):
    """Take a step of training, which leaves gradients and tensors computed by hooks."""
    module.train()
    module(images(8)).square().mean().backward()
    with torch.no_grad():
        for each in module.parameters():
            each.sub_(each.grad, alpha=0.1)
    return module


def same(checkpoint, module):
    with torch.no_grad():
        return torch.equal(checkpoint.module()(images()), module.eval()(images()))


def weight_normed():
    """The hook of old: it keeps the weight that it computed, which ``copy.deepcopy`` refuses to copy."""
    with pytest.warns(FutureWarning, match="weight_norm"):
        return nn.Sequential(nn.utils.weight_norm(nn.Conv2d(1, 3, 3)), nn.ReLU(), nn.Flatten(), nn.Linear(300, 4))


def spectral():
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(300, 4))
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), layer)


def parametrized():
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 3, 3)), nn.Flatten(), nn.Linear(300, 4))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.head = nn.Linear(144, 144), nn.Linear(144, 4)
        self.two = nn.Linear(144, 144)
        self.two.weight = self.one.weight

    def forward(self, x):
        return self.head(self.two(self.one(x.flatten(1)).relu()))


@pytest.mark.parametrize("make", [weight_normed, parametrized, spectral, Tied])
@pytest.mark.parametrize("is_trained", [True, False])
def test_weights_that_are_computed_or_shared(make, is_trained, tmp_path):
    module = trained(make()) if is_trained else make()  # a weight normed now has the bits of the one it is made of
    checkpoint = Checkpoint.of(module, input_shape=SHAPE, **QUIET)
    for report in lenetx.export(checkpoint, ["onnx", "torchscript"], folder=tmp_path):
        assert report.passed, str(report)
    assert same(checkpoint, module)
