"""Copies of networks that share tensors: cheap, and as good as others."""

import threading

import pytest
import torch
from torch import nn

from lenetx import models
from lenetx.execution.copies import copy_sharing_tensors
from lenetx.execution.float64 import Twins
from lenetx.graph.fold import fold
from lenetx.proof import Reference
from lenetx.proof.view import View

SHAPE = (1, 32, 32)


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = models.build("lenet5-bn", SHAPE, 10).eval()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    return network


@pytest.fixture
def images():
    return torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(1))


def addresses(network):
    return {name: tensor.data_ptr() for name, tensor in network.state_dict(keep_vars=True).items() if tensor.ndim}


def test_a_copy_has_the_same_tensors_in_other_modules(network):
    copied = copy_sharing_tensors(network)
    assert addresses(copied) == addresses(network)
    assert not {id(module) for module in copied.modules()} & {id(module) for module in network.modules()}


def test_folding_a_copy_leaves_the_network_as_it_is(network, images):
    before = network(images)
    folded = fold(copy_sharing_tensors(network), SHAPE)
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert torch.equal(network(images), before)
    assert torch.allclose(folded(images), before, atol=1e-4)
    assert addresses(folded)["fc3.weight"] == addresses(network)["fc3.weight"]


class Locked(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.lock = nn.Linear(3, 2), threading.Lock()


def test_a_module_that_cannot_be_copied_says_so():
    with pytest.raises(TypeError, match="lock"):
        copy_sharing_tensors(Locked())


class Unruly(nn.Sequential):
    """Cannot be copied, as modules with an open file or a lock."""

    def __deepcopy__(self, memo):
        raise TypeError("not me")


def test_a_network_that_cannot_be_copied_is_built_anew(checkpoint, monkeypatch):
    build = type(checkpoint).module
    monkeypatch.setattr(type(checkpoint), "module", lambda self: Unruly(build(self)).eval())
    reference = Reference(checkpoint, None)
    assert reference.network.module is not reference.network.module
    images = torch.rand(2, *checkpoint.spec.input_shape, dtype=torch.float64)
    assert View(reference.network, Twins()).float64_network(images).dtype == torch.float64
    assert {tensor.dtype for tensor in reference.modules[0].parameters()} == {torch.float32}
