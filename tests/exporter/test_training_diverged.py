"""A run whose numbers stop being numbers: what is said, and what is kept."""

import pytest

import lenetx
from lenetx.training import Diverged, TrainConfig

RUNAWAY = TrainConfig(epochs=4, optimizer="sgd", loss="mse", momentum=0.0, learning_rate=30, warm_up=0.9, keep="last")
"""Its rate rises until plain gradient descent on a square goes away, after the first epoch and before the last."""
STEPS = 39
"""Of an epoch."""


@pytest.fixture(scope="module")
def diverged():
    with pytest.raises(Diverged) as caught:
        lenetx.train(RUNAWAY)
    return caught.value


def test_the_step_and_its_learning_rate_are_said(diverged):
    assert STEPS < diverged.step <= 4 * STEPS
    assert 10 < diverged.rate <= 30
    assert str(diverged).endswith(f"at step {diverged.step}, at learning rate {diverged.rate:.3g}; try a lower --lr.")


def test_the_weights_of_the_last_good_epoch_are_kept(diverged):
    kept = diverged.checkpoint
    last = (diverged.step - 1) // STEPS
    assert [record["epoch"] for record in kept.history] == list(range(1, last + 1))
    assert kept.metrics["chosen_epoch"] == last
    assert all(bool(tensor.isfinite().all()) for tensor in kept.state_dict.values())
    kept.module()


def test_nothing_is_kept_where_no_epoch_was_finished():
    with pytest.raises(Diverged) as caught:
        lenetx.train(TrainConfig(epochs=1, optimizer="sgd", loss="mse", learning_rate=1e4))
    assert caught.value.checkpoint is None


def test_no_state_holds_a_number_that_is_none(tmp_path):
    state = tmp_path / "net.resume"
    with pytest.raises(Diverged) as caught:
        lenetx.train(RUNAWAY, state=state, save_every=0)
    from lenetx.training.state import read

    stepper = read(state).loop["stepper"]
    assert stepper["step"] < caught.value.step
    assert all(bool(tensor.isfinite().all()) for tensor in stepper["network"].values())
    assert bool(stepper["losses"].isfinite().all())
