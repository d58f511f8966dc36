"""One step after the other: what the optimizer, the schedule, the average and the clipping do to the weights."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from lenetx.training import TrainConfig
from lenetx.training.config import OPTIMIZERS, SCHEDULES
from lenetx.training.stepper import Stepper

INPUTS = torch.from_numpy(np.random.default_rng(1).normal(size=(16, 1, 4, 4)).astype(np.float32))
LABELS = torch.arange(16) % 3


@pytest.fixture
def network():
    torch.manual_seed(4)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3))


def stepper(network, steps=10, **settings):
    return Stepper(network, TrainConfig(batch_size=16, **settings), steps, None)


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]).clone()


def reference(network, kind, steps, **options):
    """What torch's own optimizer makes of the same network at a constant rate."""
    twin = copy.deepcopy(network)
    optimizer = kind(twin.parameters(), **options)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(twin(INPUTS), LABELS).backward()
        optimizer.step()
    return weights(twin)


@pytest.mark.parametrize(
    ("settings", "kind", "options"),
    [
        ({"optimizer": "sgd"}, torch.optim.SGD, {"momentum": 0.9}),
        ({"optimizer": "sgd", "momentum": 0.0}, torch.optim.SGD, {"momentum": 0.0}),
        ({"optimizer": "sgd", "weight_decay": 0.5}, torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.5}),
        ({"optimizer": "adam"}, torch.optim.Adam, {"betas": (0.9, 0.999)}),
        ({"momentum": 0.7, "second_moment": 0.9}, torch.optim.Adam, {"betas": (0.7, 0.9)}),
        ({"optimizer": "adam", "weight_decay": 0.5}, torch.optim.Adam, {"weight_decay": 0.5}),
        ({"optimizer": "adamw", "weight_decay": 0.5}, torch.optim.AdamW, {"weight_decay": 0.5}),
    ],
)
def test_an_optimizer_is_torchs_own(network, settings, kind, options):
    expected = reference(network, kind, 5, lr=0.1, **options)
    one = stepper(network, schedule="constant", learning_rate=0.1, **settings)
    for _ in range(5):
        one.step(INPUTS, LABELS)
    torch.testing.assert_close(weights(network), expected)


def rates(network, steps, **settings):
    """The learning rate of every step, seen by plain gradient descent."""
    one = stepper(network, steps, optimizer="sgd", momentum=0.0, learning_rate=0.1, **settings)
    found = []
    for _ in range(steps):
        found.append(one._optimizer.param_groups[0]["lr"])
        one.step(INPUTS, LABELS)
    return np.array(found)


def test_a_constant_rate_is_constant(network):
    np.testing.assert_allclose(rates(network, 8, schedule="constant"), 0.1)


def test_a_cosine_falls_from_the_rate_to_nothing(network):
    expected = 0.1 * (1 + np.cos(np.pi * np.arange(20) / 20)) / 2
    np.testing.assert_allclose(rates(network, 20, schedule="cosine"), expected, rtol=1e-6)


@pytest.mark.parametrize("warm_up", [None, 0.5])
def test_one_cycle_rises_to_the_rate_and_falls(network, warm_up):
    found = rates(network, 101, schedule="one-cycle", warm_up=warm_up)
    top = round(100 * (warm_up or 0.2))
    assert abs(int(found.argmax()) - top) <= 1
    assert found.max() == pytest.approx(0.1, rel=1e-2)
    assert found[0] == pytest.approx(0.1 / 25)
    assert found[-1] < 1e-4
    assert (np.diff(found[: top - 1]) > 0).all()
    assert (np.diff(found[top + 1 :]) < 0).all()


def test_linear_rises_and_falls_in_straight_lines(network):
    found = rates(network, 101, schedule="linear")
    assert found[0] == pytest.approx(0.1 / 25)
    np.testing.assert_allclose(np.diff(found[:20]), (0.1 - 0.1 / 25) / 19.2, rtol=1e-3)  # the top is between two steps
    np.testing.assert_allclose(np.diff(found[20:]), -0.1 / 80.8, rtol=1e-3)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("given", "lowest", "highest"), [(None, 0.85, 0.95), (0.7, 0.7, 0.7)])
def test_one_cycle_moves_the_momentum_only_where_none_was_asked_for(network, optimizer, given, lowest, highest):
    one = stepper(network, 50, optimizer=optimizer, momentum=given)
    found = []
    for _ in range(50):
        group = one._optimizer.param_groups[0]
        found.append(group["momentum"] if optimizer == "sgd" else group["betas"][0])
        one.step(INPUTS, LABELS)
    assert (min(found), max(found)) == (pytest.approx(lowest, abs=1e-3), pytest.approx(highest, abs=1e-3))


@pytest.mark.parametrize("steps", [1, 2, 5, 6])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_shortest_runs_have_a_schedule_too(network, schedule, steps):
    assert np.isfinite(rates(network, steps, schedule=schedule)).all()


def test_the_average_is_an_exponential_one_and_is_what_is_judged(network):
    one = stepper(network, optimizer="sgd", ema=0.3, schedule="constant", learning_rate=0.5)
    expected = None
    for done in range(6):
        one.step(INPUTS, LABELS)
        now = weights(network)
        decay = min(0.3, (1 + done) / (10 + done))
        expected = now if expected is None else decay * expected + (1 - decay) * now
    assert decay == 0.3
    torch.testing.assert_close(weights(one.evaluated), expected)
    assert not torch.allclose(weights(network), expected)


def test_without_an_average_the_network_itself_is_judged(network):
    assert stepper(network).evaluated is network


def test_clipping_bounds_the_norm_of_the_whole_gradient(network):
    settings = {"optimizer": "sgd", "momentum": 0.0, "schedule": "constant", "learning_rate": 1.0}
    before = weights(network)
    twin = copy.deepcopy(network)
    stepper(twin, **settings).step(INPUTS, LABELS)
    free = (weights(twin) - before).norm()
    stepper(network, gradient_clipping=float(free) / 4, **settings).step(INPUTS, LABELS)
    assert (weights(network) - before).norm() == pytest.approx(float(free) / 4, rel=1e-4)


@pytest.mark.parametrize("amp", [False, True])
def test_amp_computes_in_bfloat16_and_keeps_float32_weights(network, amp):
    seen = []
    network[1].register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    stepper(network, amp=amp).step(INPUTS, LABELS)
    assert seen == [torch.bfloat16 if amp else torch.float32]
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_optimizer_with_every_schedule_goes_downhill(network, optimizer, schedule):
    one = stepper(network, 60, optimizer=optimizer, schedule=schedule, learning_rate=0.05)
    one.begin_epoch()
    for _ in range(60):
        one.step(INPUTS, LABELS)
    assert float(one._losses[-1]) < 0.8 * float(one._losses[0])
