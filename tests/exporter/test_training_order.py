"""Which images an epoch goes through: all of them, or those that were hardest."""

import pytest
import torch

import lenetx
from lenetx.training import TrainConfig
from lenetx.training.order import Order
from lenetx.training.parallel import ALONE, Group

CPU = torch.device("cpu")


def order(images=10, *, batch_size=2, hardest=None, group=ALONE, seed=0):
    config = TrainConfig(batch_size=batch_size, hardest=hardest)
    return Order(images, config, torch.Generator().manual_seed(seed), group, CPU)


def epoch(one, loss_of=float):
    """Go through an epoch in which the loss of an image is a function of its row; gives the rows."""
    one.begin_epoch()
    batches = one.batches(0)
    for rows in batches:
        one.note(rows, torch.tensor([loss_of(int(row)) for row in rows]))
    one.end_epoch()
    return torch.cat(batches).tolist()


def test_an_epoch_goes_through_all_images_in_another_order_each_time():
    one = order()
    first, second = epoch(one), epoch(one)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_a_last_and_smaller_batch_is_left_out():
    one = order(batch_size=4)
    assert len(epoch(one)) == 8
    assert one.steps(3) == 6


def test_later_epochs_go_through_those_with_the_largest_loss():
    one = order(hardest=0.4)
    assert sorted(epoch(one)) == list(range(10))
    assert sorted(epoch(one, lambda row: 0.0 if row > 7 else float(row))) == [6, 7, 8, 9]
    assert sorted(epoch(one)) == [4, 5, 6, 7]  # 8 and 9 were easy when they were last seen
    assert one.steps(3) == 5 + 2 + 2


def test_what_was_never_seen_counts_as_hard():
    one = order(batch_size=4, hardest=0.4)
    left_out = set(range(10)) - set(epoch(one))
    assert len(left_out) == 2
    assert left_out <= set(epoch(one))


def test_a_share_is_at_least_a_batch():
    one = order(batch_size=4, hardest=0.01)
    epoch(one)
    assert len(epoch(one)) == 4
    assert one.steps(2) == 3


def test_an_order_goes_on_in_the_middle_of_an_epoch():
    one, other = order(hardest=0.4), order(hardest=0.4, seed=1)
    epoch(one)
    one.begin_epoch()
    other.load_state_dict(one.state_dict(), epoch=2, begun=True)
    other.begin_epoch()
    assert [rows.tolist() for rows in other.batches(1)] == [rows.tolist() for rows in one.batches(0)][1:]


def test_the_losses_of_a_batch_come_from_all_processes(monkeypatch):
    """Two groups that are given each other's sums stand for two processes; real ones are in tests/cli."""
    losses = torch.tensor([3.0, 1.0, 2.0])
    parts = []
    monkeypatch.setattr(Group, "total", lambda _, values: parts.append(values.clone()) or values)
    for rank in range(2):
        group = Group(rank, 2)
        group.whole(group.share(losses), 3)
    assert sum(parts).tolist() == losses.tolist()


def test_training_on_the_hardest_takes_fewer_steps_and_the_same_seed_the_same_weights():
    config = TrainConfig(epochs=3, batch_size=32, hardest=0.25)
    first, again = lenetx.train(config), lenetx.train(config)
    assert [record["step"] for record in first.history] == [39, 48, 57]
    assert first.spec.weights_sha256 == again.spec.weights_sha256
    assert first.history[1]["train_accuracy"] < first.history[1]["validation_accuracy"]


@pytest.mark.parametrize("loss", ["cross-entropy", "nll", "mse"])
def test_every_loss_can_rank_images(loss):
    found = lenetx.train(TrainConfig(epochs=2, batch_size=128, hardest=0.3, loss=loss))
    assert found.history[-1]["step"] == 9 + 2
