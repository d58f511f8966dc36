"""Limits against brute force: gradients of every logit by autograd, one image and one logit at a time."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lenetx.bounds import LAMBDA, inapplicable_reason, limits
from lenetx.bounds.operators import operator_of
from lenetx.graph.tape import record

from .conftest import float64, images

U = 2.0**-24


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        x = self.first(x)
        x = x + self.second(torch.tanh(x))
        return self.fc(x.mean((2, 3)))


class Gated(nn.Module):
    """Each channel is multiplied by a number of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate, self.fc = nn.Conv2d(2, 4, 3), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        x = self.conv(x)
        gate = torch.sigmoid(self.gate(x.mean((2, 3))))
        return self.fc((x * gate[:, :, None, None]).mean((2, 3)))


def with_statistics(norm):
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


def nets():
    return {
        "average pooling": nn.Sequential(nn.Conv2d(2, 4, 3), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 3)),
        "tanh": nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(144, 3), nn.Tanh(), nn.Linear(3, 4)
        ),
        "sigmoid": nn.Sequential(nn.Flatten(), nn.Linear(128, 6), nn.Sigmoid(), nn.Linear(6, 3)),
        "batch norm": nn.Sequential(
            nn.Conv2d(2, 4, 3), with_statistics(nn.BatchNorm2d(4)), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
        ),
        "residual": Residual(),
        "gated": Gated(),
        "overlapping max pooling": nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.MaxPool2d(3, 2, padding=1, ceil_mode=True), nn.Flatten(), nn.Linear(64, 3)
        ),
        "dilated max pooling, ceil_mode": nn.Sequential(
            nn.Conv2d(2, 4, 2), nn.MaxPool2d(2, 2, dilation=2, ceil_mode=True), nn.Flatten(), nn.Linear(36, 3)
        ),
        "max pooling, then relu": nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)
        ),
        "max pooling with gaps": nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.Hardtanh(), nn.MaxPool2d((1, 2), (2, 3)), nn.Flatten(), nn.Linear(24, 3)
        ),
        "read twice": Through(lambda h: 3 * h - h.relu()),
        "leaky": nn.Sequential(nn.Conv2d(2, 4, 3, stride=2), nn.LeakyReLU(0.1), nn.Flatten(), nn.Linear(36, 3)),
        "relu6": nn.Sequential(
            nn.Conv2d(2, 4, 3, groups=2), nn.ReLU6(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
        ),
        "detached": Through(lambda h: h.detach().clone()),
        "negated and padded": Through(lambda h: functional.pad(-h, (1, 0, 0, 1), value=0.5)[:, :, :6, :6]),
        "joined": Through(lambda h: torch.cat([h[:, :2], 2 * h[:, 2:]], 1) / 3 - 0.25),
    }


class Through(nn.Module):
    def __init__(self, between) -> None:
        super().__init__()
        self.conv, self.fc, self.between = nn.Conv2d(2, 4, 3), nn.Linear(144, 3), between

    def forward(self, x):
        return self.fc(self.between(self.conv(x)).flatten(1))


def brute_force(run, inputs):
    """λu·√Σ_channels(Σ_positions |∂logit/∂z|·noise(z))², each gradient by moving every z of the network by autograd.

    Each step's result gets a zero added that autograd looks at. Kinks are none here, where nothing is near one.
    """
    tape = record(run, inputs)
    found = torch.zeros(len(inputs), tape.values[tape.output].shape[1], dtype=torch.float64)
    with torch.enable_grad():
        values = {0: inputs}
        zeros = {}
        for place, step in enumerate(tape.steps):
            read = {position: values[value] for position, value in step.sources.items()}
            detached = step.operator in ("detach", "alias")
            result = read[0] * 1 if detached else step.rerun(read)[0]
            zeros[place] = torch.zeros_like(result, requires_grad=True)
            values[step.outputs[0]] = result + zeros[place]
        logits = values[tape.output]
        for column in range(logits.shape[1]):
            gradients = torch.autograd.grad(
                logits[:, column].sum(), list(zeros.values()), retain_graph=True, allow_unused=True
            )
            for gradient, step in zip(gradients, tape.steps, strict=True):
                noise = operator_of(step.operator).noise(step)
                if noise is None or gradient is None:
                    continue
                share = (gradient.abs() * noise).reshape(len(inputs), gradient.shape[1], -1).sum(2)
                found[:, column] += share.square().sum(1)
    return LAMBDA * U * found.sqrt()


@pytest.mark.parametrize("name", nets())
def test_limits_are_those_of_brute_force(name):
    module, inputs = float64(nets()[name]), images()
    tape = record(module, inputs)
    assert inapplicable_reason(tape) is None
    torch.testing.assert_close(limits(tape), brute_force(module, inputs), rtol=1e-9, atol=0)


def test_each_image_has_its_own_limits():
    module, inputs = float64(nets()["batch norm"]), images(4)
    together = limits(record(module, inputs))
    for row in range(4):
        torch.testing.assert_close(together[row : row + 1], limits(record(module, inputs[row : row + 1])))


def test_logits_that_are_taken_a_few_at_a_time_have_the_same_limits(monkeypatch):
    from lenetx.bounds import adjoint

    module, inputs = float64(nets()["residual"]), images()
    whole = limits(record(module, inputs))
    monkeypatch.setattr(adjoint, "_MOST_NUMBERS", 1)
    torch.testing.assert_close(limits(record(module, inputs)), whole)


@pytest.mark.parametrize("dead", [-1e-9, -1e-3])
def test_a_relu_just_off_within_its_bound_counts(dead):
    """z = w·x of a hidden unit is a little below zero: float32 may find it above."""
    x = torch.tensor([[1.0, 1.0, 1.0]], dtype=torch.float64)
    first, second = nn.Linear(3, 2, bias=False), nn.Linear(2, 1, bias=False)
    first.weight.data = torch.tensor([[0.5, 0.25, -0.75 + dead], [1.0, 1.0, 1.0]])
    second.weight.data = torch.tensor([[100.0, 1.0]])
    module = float64(nn.Sequential(first, nn.ReLU(), second))
    module[0].weight[0, 2] = -0.75 + dead
    found = float(limits(record(module, x))[0, 0])
    without = copy.deepcopy(module)
    without[2].weight[0, 0] = 0
    alone = float(limits(record(without, x))[0, 0])
    if dead == -1e-9:
        assert found > 20 * alone
    else:
        assert found == pytest.approx(alone)


@pytest.mark.parametrize(("gap", "counts"), [(0.0, False), (1e-8, True), (1e-2, False)])
def test_the_second_of_a_window_counts_where_it_may_be_the_first(gap, counts):
    """One that is equal came of equal numbers, and is no other."""
    conv, fc = nn.Conv2d(1, 1, 1, bias=False), nn.Linear(4, 1, bias=False)
    conv.weight.data.fill_(1.0)
    fc.weight.data = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    module = float64(nn.Sequential(conv, nn.MaxPool2d(2), nn.Flatten(), fc))
    x = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    x[0, 0, 0, 0], x[0, 0, 1, 1] = 1.0, 1.0 - gap
    alone = x.clone()
    alone[0, 0, 1, 1] = 0.0
    ratio = float(limits(record(module, x)) / limits(record(module, alone)))
    # Both positions of the one channel are added up where either may be the first.
    assert (ratio > 1.2) is counts


def orders(module, inputs, seeds):
    """float32 logits of a network whose sums are taken term by term in random orders."""
    found = []
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        float32 = copy.deepcopy(module).float()
        for layer in float32.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.forward = in_order(layer, random)
        found.append(float32(inputs.float()).double())
    return torch.stack(found)


def in_order(layer, random):
    def forward(x):
        dense = isinstance(layer, nn.Linear)
        columns = (
            x[:, :, None]
            if dense
            else functional.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
        )
        weight = layer.weight.flatten(1)
        total = torch.zeros(len(x), len(weight), columns.shape[2])
        for term in random.permutation(weight.shape[1] + 1).tolist():
            total += layer.bias[:, None] if term == weight.shape[1] else weight[:, term, None] * columns[:, None, term]
        size = int(columns.shape[2] ** 0.5)
        return total[:, :, 0] if dense else total.view(len(x), -1, size, size)

    return forward


@pytest.mark.parametrize("name", ["average pooling", "tanh", "batch norm", "residual", "overlapping max pooling"])
def test_sums_in_random_orders_stay_within_the_limits(name):
    module = float64(nets()[name])
    inputs = images(8).float().double()
    for layer in module.modules():  # weights that float32 holds
        for tensor in layer.parameters(recurse=False):
            tensor.copy_(tensor.float().double())
    found = limits(record(module, inputs))
    used = (orders(module, inputs, 12) - module(inputs)).abs() / found
    assert 0 < float(used.max()) < 0.5
