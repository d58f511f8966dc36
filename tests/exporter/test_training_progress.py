"""What a training run tells while it goes on."""

import time

import pytest
import torch

from lenetx import TrainConfig, train

EPOCHS, BATCH = 3, 50


@pytest.fixture(scope="module")
def told():
    """Every progress of a run, and how many seconds the run took."""
    moments = []
    start = time.perf_counter()
    checkpoint = train(TrainConfig(epochs=EPOCHS, batch_size=BATCH), on_progress=moments.append)
    return moments, time.perf_counter() - start, checkpoint


def test_it_begins_and_ends_where_the_run_does(told):
    moments, _, _ = told
    steps = 1257 // BATCH * EPOCHS
    assert {moment.steps for moment in moments} == {steps}
    assert {moment.epochs for moment in moments} == {EPOCHS}
    assert moments[0].epoch == 1
    assert moments[0].step <= 20
    assert (moments[-1].epoch, moments[-1].step, moments[-1].seconds_left) == (EPOCHS, steps, 0)


def test_steps_and_epochs_never_go_back(told):
    moments, _, _ = told
    assert [moment.step for moment in moments] == sorted(moment.step for moment in moments)
    assert [moment.epoch for moment in moments] == sorted(moment.epoch for moment in moments)


def test_each_epoch_ends_with_its_validation_accuracy(told):
    moments, _, checkpoint = told
    found = [moment.validation_accuracy for moment in moments if moment.validation_accuracy is not None]
    assert found == [epoch["validation_accuracy"] for epoch in checkpoint.history]
    ends = [(one.loss, one.accuracy) for one in moments if one.validation_accuracy is not None]
    assert ends == [(epoch["train_loss"], epoch["train_accuracy"]) for epoch in checkpoint.history]
    assert len(found) == EPOCHS


def test_the_figures_are_plausible(told):
    moments, seconds, _ = told
    for moment in moments:
        assert 0 < moment.loss < 10
        assert 0 <= moment.accuracy <= 1
        assert moment.seconds_left >= 0
    images = moments[-1].step * BATCH
    assert moments[-1].images_per_second >= images / seconds
    assert moments[-1].accuracy > moments[0].accuracy


def test_what_the_callback_raises_ends_the_run():
    """As an interrupt does: nobody swallows it."""

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TrainConfig(epochs=1), on_progress=stop)


def test_the_history_is_of_the_whole_epoch():
    """With a learning rate of next to nothing every step sees the first network, and 419 steps of 3 see every image."""
    from lenetx import data
    from lenetx.frames.device_split import to_device
    from lenetx.training.evaluation import evaluate

    checkpoint = train(TrainConfig(epochs=1, batch_size=3, learning_rate=1e-12))
    split = data.load("digits").train.framed(checkpoint.spec)
    assert len(split) % 3 == 0
    inputs = to_device(split, checkpoint.spec, torch.device("cpu"))
    whole = evaluate(checkpoint.module(), inputs, torch.nn.functional.cross_entropy)
    (epoch,) = checkpoint.history
    assert epoch["train_accuracy"] == pytest.approx(whole.accuracy, abs=1e-9)
    assert epoch["train_loss"] == pytest.approx(whole.loss, rel=1e-4)
