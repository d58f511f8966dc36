"""A tape holds the same steps however a network is written, and says what it does not follow."""

import gc
import io
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional

from lenetx.bounds import inapplicable_reason
from lenetx.bounds.affine_layers import weight_of
from lenetx.graph.tape import record, without_dead_steps

from .conftest import float64, images, names


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(2, 4, 3, padding=1), nn.Linear(64, 5)
        self.rest = nn.Sequential(nn.MaxPool2d(2), nn.ReLU(), nn.Flatten())

    def forward(self, x):
        return self.fc(self.rest(self.conv(x)))


STEPS = ["convolution", "max_pool2d_with_indices", "relu", "view", "addmm"]


def as_code(module):
    def run(x):
        x = functional.conv2d(x, module.conv.weight, module.conv.bias, padding=1)
        x = functional.relu(functional.max_pool2d(x, 2)).flatten(1)
        return functional.linear(x, module.fc.weight, module.fc.bias)

    return run


def as_operators(module):
    def run(x):
        x = torch.convolution(x, module.conv.weight, module.conv.bias, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
        x = torch.relu(torch.max_pool2d(x, [2, 2])).view(-1, 64)
        return torch.addmm(module.fc.bias, x, module.fc.weight.t())

    return run


def in_torchscript(module):
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.freeze(torch.jit.trace(module, images()), optimize_numerics=False), buffer)
    return torch.jit.load(io.BytesIO(buffer.getvalue()))


@pytest.mark.parametrize("write", [lambda module: module, as_code, as_operators, in_torchscript])
def test_the_same_steps_however_it_is_written(write):
    module = float64(Layers())
    inputs = images()
    run = write(module)
    with torch.jit.optimized_execution(False):
        tape = record(run, inputs)
    assert [name.lstrip("_") for name in names(tape)] == STEPS
    assert inapplicable_reason(tape) is None
    torch.testing.assert_close(tape.values[tape.output], module(inputs))


def test_weights_are_known_by_name_even_when_they_are_turned():
    module = float64(Layers())
    own = {id(tensor): name for name, tensor in module.named_parameters()}
    tape = record(module, images(), own)
    assert [weight_of(step) for step in tape.steps] == ["conv.weight", None, None, None, "fc.weight"]


def test_each_step_can_be_made_again():
    for step in record(float64(Layers()), images()).steps:
        torch.testing.assert_close(step.rerun()[0], step.results[0], rtol=0, atol=0)


def test_what_does_not_reach_the_output_can_be_left_out():
    def run(x):
        functional.max_pool2d(x.exp(), 2)
        pooled, places = functional.max_pool2d(x.sigmoid(), 2, return_indices=True)
        x.flatten(1).tanh().argmax(1)
        return functional.max_unpool2d(pooled.relu(), places, 2)

    assert names(without_dead_steps(record(run, images()))) == [
        "sigmoid",
        "max_pool2d_with_indices",
        "view",
        "tanh",
        "argmax",
        "relu",
        "max_unpool2d",
    ]


def test_an_operator_in_place_is_the_plain_one_and_what_it_read_is_kept():
    conv = float64(nn.Conv2d(2, 4, 3))
    inputs = images()
    plain = record(lambda x: torch.relu(conv(x)).add(1.5), inputs)
    in_place = record(lambda x: conv(x).relu_().add_(1.5), inputs)
    assert names(in_place) == names(plain)
    assert inapplicable_reason(in_place) is None
    for ours, theirs in zip(in_place.steps, plain.steps, strict=True):
        torch.testing.assert_close(ours.leaves[0], theirs.leaves[0], rtol=0, atol=0)
        torch.testing.assert_close(ours.rerun()[0], theirs.results[0], rtol=0, atol=0)


@pytest.mark.parametrize(
    "change",
    [lambda h: h[:, 0].mul_(2), lambda h: h.flatten(1).add_(1), lambda h: h[:, :, 0, 0].zero_()],
    ids=["a channel", "a view of the whole", "a pixel to nothing"],
)
def test_a_view_that_is_changed_in_place_is_a_problem(change):
    conv = float64(nn.Conv2d(2, 4, 3))

    def run(x):
        h = conv(x)
        change(h)
        return h

    assert "in place" in inapplicable_reason(record(run, images()))


@pytest.mark.parametrize(
    "mixed",
    [
        lambda h: h - h.mean(0, keepdim=True),
        lambda h: torch.cat([h[1:], h[:1]]),
        lambda h: h.view(2, -1).view(h.shape),
        lambda h: h * h.mean(),
    ],
    ids=["mean", "turned round", "reshaped", "mean of all"],
)
def test_an_operator_that_mixes_the_batch_is_unknown(mixed):
    fc = float64(nn.Linear(128, 4))
    tape = record(lambda x: mixed(fc(x.flatten(1))), images(4))
    assert inapplicable_reason(tape) == "an operator mixes the images of a batch"


@pytest.mark.parametrize(
    ("strange", "name"),
    [
        (lambda h: torch.sin(h), "sin"),
        (lambda h: functional.softmax(h, 1), "_softmax"),
        (lambda h: functional.gelu(h), "gelu"),
        (lambda h: torch.matmul(h.unsqueeze(1), h.unsqueeze(2)).squeeze(2), "bmm"),
    ],
)
def test_an_operator_without_a_bound_is_named(strange, name):
    fc = float64(nn.Linear(128, 4))
    assert (
        inapplicable_reason(record(lambda x: strange(fc(x.flatten(1))), images())) == f"the bound does not know {name}"
    )


@pytest.mark.parametrize(
    "unusual",
    [
        nn.ConvTranspose2d(2, 2, 3),
        nn.Dropout(0.5).train(),
        nn.BatchNorm2d(2).train(),
        nn.BatchNorm2d(2, track_running_stats=False),
    ],
    ids=lambda module: type(module).__name__,
)
def test_a_known_operator_in_another_use_is_unknown(unusual):
    trained = unusual.training
    module = float64(unusual).train(trained)
    assert inapplicable_reason(record(module, images())) is not None


def test_weights_that_depend_on_the_input_are_unknown():
    conv = float64(nn.Conv2d(2, 4, 3))

    def run(x):
        return functional.conv2d(x, conv.weight * x.mean().sigmoid(), conv.bias)

    assert inapplicable_reason(record(run, images())) is not None


def test_a_result_that_reads_no_input_is_a_problem():
    assert (
        inapplicable_reason(record(lambda x: torch.ones(len(x), 3), images()))
        == "its output does not depend on its input"
    )


def test_a_batch_norm_in_eval_mode_is_known():
    """Its two other results are empty: they are no images."""
    module = float64(nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU()))
    assert inapplicable_reason(record(module, images())) is None


def test_what_was_recorded_goes_with_its_tape():
    """Not when garbage is next collected: a proof records hundreds of batches."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(72, 3)).eval()
    gc.disable()
    try:
        tape = record(network, torch.rand(2, 1, 8, 8))
        values = [weakref.ref(value) for value in tape.values[1:]]
        del tape
        assert [value() for value in values] == [None] * len(values)
    finally:
        gc.enable()
