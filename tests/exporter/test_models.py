"""The built-in networks: their size, their work and the inputs that they take."""

import pytest
import torch
from torch import nn

from lenetx import models
from lenetx.errors import InputError

SIZES = {"lenet5": 32, "lenet5-3x3": 28, "lenet5-1998": 32, "lenet5-bn": 32, "lenet5-dropout": 32}
PARAMETERS = {
    "lenet5": 61_706,  # 156 + 2,416 + 48,120 + 10,164 + 850
    "lenet5-3x3": 60_074,  # 60 + 880 + 48,120 + 10,164 + 850
    "lenet5-1998": 61_706,
    "lenet5-bn": 62_158,  # 2 · (6 + 16 + 120 + 84) more
    "lenet5-dropout": 61_706,
}


def build(name, classes=10):
    return models.build(name, (1, SIZES[name], SIZES[name]), classes).eval()


def multiply_adds(network, size):
    """Count what Conv2d and Linear layers do for one image."""
    counts = []

    def count(layer, _, output):
        per_output = layer.weight[0].numel()
        counts.append(output[0].numel() * per_output)

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.zeros(1, 1, size, size))
    return sum(counts)


def test_there_are_exactly_the_documented_networks():
    assert models.names() == tuple(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_parameters_are_counted(name):
    assert sum(parameter.numel() for parameter in build(name).parameters()) == PARAMETERS[name]


def test_lenet5_costs_416520_multiply_adds():
    assert multiply_adds(build("lenet5"), 32) == 416_520


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize(("batch", "classes"), [(1, 10), (3, 10), (2, 7)])
def test_logits_have_a_row_per_image_and_a_column_per_class(name, batch, classes):
    logits = build(name, classes)(torch.zeros(batch, 1, SIZES[name], SIZES[name]))
    assert logits.shape == (batch, classes)
    assert logits.dtype == torch.float32


@pytest.mark.parametrize("name", SIZES)
def test_the_networks_tell_the_input_that_they_take(name):
    assert models.input_shape(name) == (1, SIZES[name], SIZES[name])
    with pytest.raises(RuntimeError):  # torch's own complaint, which a user is spared by the check when it is built
        build(name)(torch.zeros(1, 1, 60 - SIZES[name], 60 - SIZES[name]))


@pytest.mark.parametrize(
    ("name", "shape", "fits"),
    [
        ("lenet5-3x3", (1, 32, 32), "1×28×28"),
        ("lenet5", (1, 28, 28), "1×32×32"),
        ("lenet5", (3, 28, 28), "3×32×32"),
        ("lenet5", (2, 32, 32), "1×32×32"),
        ("lenet5-1998", (1, 32, 30), "1×32×32"),
    ],
)
def test_another_input_shape_is_refused_with_the_one_that_fits(name, shape, fits):
    with pytest.raises(InputError) as caught:
        models.build(name, shape, 10)
    given = "×".join(map(str, shape))
    assert str(caught.value) == f"{name} takes inputs of {fits} (channels × height × width), not {given}."


def test_the_original_has_tanh_and_average_pooling_where_todays_has_relu_and_max_pooling():
    original, today = build("lenet5-1998"), build("lenet5")
    ramp = torch.linspace(-3, 3, 32 * 32).view(1, 1, 32, 32)
    assert {type(layer) for layer in original.children()} >= {nn.Tanh, nn.AvgPool2d}
    assert {type(layer) for layer in today.children()} >= {nn.ReLU, nn.MaxPool2d}
    original.load_state_dict(today.state_dict())
    assert not torch.allclose(original(ramp), today(ramp))


def test_a_network_prints_itself_readably():
    lines = repr(build("lenet5")).splitlines()
    assert lines[1] == "  (conv1): Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))"
    assert len(lines) < 15


@pytest.mark.parametrize("name", SIZES)
def test_every_network_takes_colours_too(name):
    network = models.build(name, (3, SIZES[name], SIZES[name]), 10)
    assert network.conv1.in_channels == 3
    assert network(torch.zeros(2, 3, SIZES[name], SIZES[name])).shape == (2, 10)


def test_dropout_is_for_training_only():
    network, image = build("lenet5-dropout"), torch.ones(1, 1, 32, 32)
    assert torch.equal(network(image), network(image))
    network.train()
    assert not torch.equal(network(image), network(image))


def test_batch_norm_looks_at_the_batch_in_training_only():
    network, images = build("lenet5-bn"), torch.randn(8, 1, 32, 32)
    assert torch.allclose(network(images)[:1], network(images[:1]), atol=1e-6)
    network.train()
    assert not torch.allclose(network(images)[:2], network(images[:2]), atol=1e-3)
