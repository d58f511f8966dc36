"""Training runs on the bundled digits: repeatable, good, and honest about which split did what."""

import dataclasses
import random

import numpy as np
import pytest
import torch

from lenetx import Augmentation, data, train
from lenetx.data import Split
from lenetx.errors import DataError, DeviceUnavailable, InputError, LenetxError
from lenetx.training import TrainConfig
from lenetx_runtime.preprocess import normalise

QUICK = TrainConfig(epochs=1, batch_size=128)


@pytest.fixture
def digits_with(monkeypatch):
    """The function that makes ``train`` see the digits with some parts replaced."""
    digits = data.load("digits")

    def replace(**parts):
        changed = dataclasses.replace(digits, **parts)
        monkeypatch.setattr("lenetx.data.load", lambda *_, **__: changed)

    return replace


def accuracy(checkpoint, split):
    inputs = torch.from_numpy(normalise(split.framed(checkpoint.spec).images, checkpoint.spec))
    with torch.inference_mode():
        return float((checkpoint.module()(inputs).argmax(1).numpy() == split.labels).mean())


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    first, again, other = train(QUICK), train(QUICK), train(dataclasses.replace(QUICK, seed=1))
    assert first.spec.weights_sha256 == again.spec.weights_sha256
    assert first.history == again.history
    assert first.metrics == again.metrics
    assert first.spec.weights_sha256 != other.spec.weights_sha256


@pytest.mark.parametrize("name", ["lenet5", "lenet5-3x3", "lenet5-1998"])
def test_a_few_epochs_read_digits_well(checkpoints, name):
    metrics = checkpoints[name].metrics
    assert metrics["test_accuracy"] > 0.93
    assert metrics["test_loss"] < 0.3
    assert metrics["test_images"] == 360


def test_the_loss_goes_down(checkpoint):
    losses = [epoch["train_loss"] for epoch in checkpoint.history]
    assert losses[-1] < losses[0] / 3


def test_the_metrics_are_those_of_the_returned_weights(checkpoint):
    assert checkpoint.metrics["test_accuracy"] == accuracy(checkpoint, data.load("digits").test)


def test_the_test_split_chooses_nothing(digits_with, checkpoint):
    """Another test split changes the final figures and not one weight."""
    config = TrainConfig.from_mapping(checkpoint.config)
    test = data.load("digits").test
    wrong = Split(test.images[:100], (test.labels[:100] + 1) % 10)
    digits_with(test=wrong)
    found = train(config)
    assert found.spec.weights_sha256 == checkpoint.spec.weights_sha256
    assert found.history == checkpoint.history
    assert found.metrics["test_images"] == 100
    assert found.metrics["test_accuracy"] < 0.05


def test_the_test_split_is_judged_once_and_at_the_end(monkeypatch):
    """Every evaluation of a network goes through ``evaluate``: note the size of what it is shown."""
    from lenetx.training import evaluation as module

    seen, original = [], module.evaluate

    def noting(network, split, *others, **options):
        seen.append(len(split))
        return original(network, split, *others, **options)

    monkeypatch.setattr("lenetx.training.loop.evaluate", noting)
    monkeypatch.setattr("lenetx.training.outcome.evaluate", noting)
    train(TrainConfig(epochs=3, batch_size=400))
    assert seen == [180, 180, 180, 360]


def test_validation_chooses_the_epoch(digits_with):
    """With wrong labels in the validation split alone, learning makes it worse: not the last epoch is the best."""
    validation = data.load("digits").validation
    wrong = Split(validation.images, (validation.labels + 1) % 10)
    digits_with(validation=wrong)
    checkpoint = train(TrainConfig(epochs=3, batch_size=64, learning_rate=0.01))
    ranks = [(epoch["validation_accuracy"], -epoch["validation_loss"]) for epoch in checkpoint.history]
    assert max(ranks) != ranks[-1]
    assert accuracy(checkpoint, wrong) == max(ranks)[0]


def test_the_history_has_a_complete_record_per_epoch(checkpoint):
    assert [epoch["epoch"] for epoch in checkpoint.history] == [1, 2, 3, 4]
    for epoch in checkpoint.history:
        assert 0 < epoch["train_loss"] < 5
        assert 0 < epoch["validation_loss"] < 5
        assert 0 <= epoch["train_accuracy"] <= 1
        assert 0 <= epoch["validation_accuracy"] <= 1


def test_the_random_state_of_the_caller_is_left_alone():
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    train(QUICK)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.array_equal(np.random.get_state()[1], states[2])


def test_the_configuration_and_the_epochs_that_ran_are_recorded():
    config = TrainConfig(epochs=2, batch_size=500, learning_rate=0.001, seed=7)
    checkpoint = train(config)
    assert checkpoint.config == config.to_mapping()
    assert TrainConfig.from_mapping(checkpoint.config) == config


@pytest.mark.parametrize(("epochs", "batch_size"), [(1, 1257), (1, 251), (4, 1257), (5, 1257), (6, 1257)])
def test_any_number_of_steps_can_be_trained(epochs, batch_size):
    """The one-cycle schedule divides by its number of rising steps."""
    assert len(train(TrainConfig(epochs=epochs, batch_size=batch_size)).history) == epochs


def test_a_seed_may_be_as_large_as_torch_takes():
    assert train(dataclasses.replace(QUICK, seed=2**64 - 1)).config["seed"] == 2**64 - 1


def test_the_data_set_says_how_long_and_in_which_batches_to_train(digits_with):
    digits_with(epochs=2, batch_size=600)
    config = train(TrainConfig()).config
    assert (config["epochs"], config["batch_size"]) == (2, 600)


def test_a_batch_larger_than_the_training_split_is_refused():
    with pytest.raises(InputError, match=r"batch size is 1258, but there are 1257 training images"):
        train(TrainConfig(batch_size=1258))


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(epochs=2, batch_size=32, learning_rate=1e30),
        TrainConfig(epochs=1, batch_size=1257, learning_rate=1e38),
    ],
    ids=["in the middle", "with the only step"],
)
def test_a_loss_that_is_not_finite_stops_with_a_sentence(config):
    with pytest.raises(
        LenetxError, match=r"^The loss became (nan|inf) .*at step \d+, at learning rate .* try a lower --lr\.$"
    ):
        train(config)


def test_cuda_is_used_or_refused():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(DeviceUnavailable, match="cuda was requested"):
        train(TrainConfig(device="cuda"))


def test_data_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="MNIST is not in"):
        train(TrainConfig(data="mnist"), data_root=tmp_path)


def test_the_epoch_that_was_chosen_is_the_best_on_validation(checkpoint):
    ranked = sorted(checkpoint.history, key=lambda epoch: (epoch["validation_accuracy"], -epoch["validation_loss"]))
    assert checkpoint.metrics["chosen_epoch"] == ranked[-1]["epoch"]


@pytest.fixture
def validation_says(monkeypatch):
    """The function that makes validation give these accuracies in turn; the test split is judged for real."""
    from types import SimpleNamespace

    def say(*accuracies):
        told = iter(accuracies)
        monkeypatch.setattr(
            "lenetx.training.loop.evaluate", lambda *_, **__: SimpleNamespace(accuracy=next(told), loss=1.0)
        )

    return say


def test_patience_ends_the_run_after_so_many_epochs_without_a_better_one(validation_says):
    validation_says(0.5, 0.7, 0.6, 0.7, 0.9)
    checkpoint = train(TrainConfig(epochs=5, batch_size=400, patience=2))
    assert [epoch["epoch"] for epoch in checkpoint.history] == [1, 2, 3, 4]
    assert checkpoint.metrics["chosen_epoch"] == 2


@pytest.mark.parametrize(("keep", "chosen"), [("best", 2), ("last", 3)])
def test_the_best_or_the_last_epoch_is_kept(validation_says, keep, chosen):
    validation_says(0.5, 0.7, 0.6)
    kept = train(TrainConfig(epochs=3, batch_size=400, keep=keep, schedule="constant"))
    assert kept.metrics["chosen_epoch"] == chosen
    validation_says(*[0.5] * (chosen - 1), 0.9)
    until_then = train(TrainConfig(epochs=chosen, batch_size=400, schedule="constant"))
    assert kept.spec.weights_sha256 == until_then.spec.weights_sha256


@pytest.mark.parametrize(
    "settings",
    [
        {"ema": 0.9},
        {"augmentation": Augmentation(shift=1, rotate=5, elastic=0.5)},
        {"amp": True},
        {"optimizer": "sgd", "learning_rate": 0.05, "gradient_clipping": 1.0},
        {"loss": "mse", "optimizer": "adamw", "weight_decay": 0.01, "schedule": "cosine"},
    ],
    ids=lambda settings: " ".join(settings),
)
@pytest.mark.slow
def test_any_settings_are_repeatable_recorded_and_learn(settings):
    config = TrainConfig(epochs=4, batch_size=64, **{"learning_rate": 0.005} | settings)
    first, again = train(config), train(config)
    assert first.spec.weights_sha256 == again.spec.weights_sha256
    assert first.config == config.to_mapping()
    assert first.metrics["test_accuracy"] > 0.8
    plain = train(TrainConfig(epochs=4, batch_size=64, learning_rate=config.learning_rate))
    assert plain.spec.weights_sha256 != first.spec.weights_sha256
