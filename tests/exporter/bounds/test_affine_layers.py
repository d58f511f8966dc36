"""Layer by layer: each one judged on the numbers that it was given, and the right one named."""

import pytest
import torch
from torch import nn

from lenetx.bounds.affine_layers import OUTPUT, check_layers

from .conftest import float64, images


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(16, 5)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        x = torch.relu(self.first(x))
        return self.third(self.pool(torch.relu(self.second(x))).flatten(1))


LAYERS = ("first", "second", "third")


@pytest.fixture
def net():
    module = float64(Net())
    for tensor in module.parameters():
        tensor.copy_(tensor.float().double())
    return module


@pytest.fixture
def inputs():
    return images().float().double()


def honest(net, inputs):
    """What float32 gives in each layer."""
    float32 = Net()
    float32.load_state_dict({name: tensor.float() for name, tensor in net.state_dict().items()})
    given = {}
    for name in LAYERS:
        layer = getattr(float32, name)
        layer.register_forward_hook(lambda _, __, out, name=name: given.__setitem__(f"{name}.weight", [out.double()]))
    logits = float32(inputs.float()).double()
    return given, logits


def judged(net, inputs, given, logits):
    own = {id(tensor): name for name, tensor in net.named_parameters()}
    return check_layers(net, inputs, own, given, logits)


def test_honest_float32_is_within_every_bound(net, inputs):
    layers = judged(net, inputs, *honest(net, inputs))
    assert [layer.name for layer in layers] == [*LAYERS, OUTPUT]
    assert [layer.broken for layer in layers] == [0, 0, 0, 0]
    assert all(0 < layer.share < 1 for layer in layers[:3])
    assert [layer.units for layer in layers] == [3 * 4 * 36, 3 * 4 * 16, 15, 15]


@pytest.mark.parametrize("name", LAYERS)
def test_the_layer_with_other_weights_is_named_and_no_other(net, inputs, name):
    """What follows it is right for what it is given."""
    wrong = Net().double()
    wrong.load_state_dict(net.state_dict())
    getattr(wrong, name).weight.data *= 1 + 1e-4
    layers = judged(net, inputs, *honest(wrong, inputs))
    assert [layer.name for layer in layers if layer.broken] == [name]


def test_one_number_beyond_its_bound_is_counted(net, inputs):
    given, logits = honest(net, inputs)
    given["second.weight"][0][1, 2, 0, 0] += 1e-3
    layers = {layer.name: layer.broken for layer in judged(net, inputs, given, logits)}
    assert layers["first"] == 0
    assert layers["second"] == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_broken(net, inputs, value):
    given, logits = honest(net, inputs)
    given["first.weight"][0][0, 0, 0, 0] = value
    first = judged(net, inputs, given, logits)[0]
    assert (first.name, first.broken, first.share) == ("first", 1, float("inf"))


def test_what_follows_the_last_layer_is_judged_too(net, inputs):
    given, logits = honest(net, inputs)
    layers = judged(net, inputs, given, logits.softmax(1))
    assert [layer.name for layer in layers if layer.broken] == [OUTPUT]
    layers = judged(net, inputs, given, logits[:, :4])
    assert [layer.name for layer in layers if layer.broken] == [OUTPUT]


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_is_not_shown_or_is_one_too_many(net, inputs, name):
    given, logits = honest(net, inputs)
    results = given.pop(f"{name}.weight")
    assert judged(net, inputs, given, logits) == f"its layers are not those of the network: {name}.weight"
    again = {**given, f"{name}.weight": [*results, *results]}
    assert judged(net, inputs, again, logits) == f"its layers are not those of the network: {name}.weight"
    other = {**given, f"{name}.weight": [results[0][:, :1]]}
    assert judged(net, inputs, other, logits) == f"its layers are not those of the network: {name}.weight"


@pytest.mark.parametrize("times", [1, 3])
def test_calls_on_the_same_numbers_may_be_merged(net, inputs, times):
    given, logits = honest(net, inputs)
    given = {name: results * times for name, results in given.items()}
    own = {id(tensor): name for name, tensor in net.named_parameters()}

    def thrice(images):
        return net(images) + net(images) + net(images)

    whole = (logits.float() + logits.float() + logits.float()).double()
    layers = check_layers(thrice, inputs, own, given, whole)
    assert {layer.name for layer in layers} == {"first", "second", "third", OUTPUT}
    assert not any(layer.broken for layer in layers)
    given["second.weight"][0][0, 0, 0, 0] += 1e-3
    assert any(layer.broken for layer in check_layers(thrice, inputs, own, given, whole) if layer.name == "second")


def test_a_layer_of_zeros_allows_no_error(inputs):
    module = float64(nn.Sequential(nn.Flatten(), nn.Linear(128, 3, bias=False)))
    module[1].weight.zero_()
    zeros = torch.zeros(3, 3, dtype=torch.float64)
    own = {id(module[1].weight): "1.weight"}
    assert [layer.broken for layer in check_layers(module, inputs, own, {"1.weight": [zeros]}, zeros)] == [0, 0]
    off = zeros + 1e-3
    assert check_layers(module, inputs, own, {"1.weight": [off]}, off)[0].broken == 9
