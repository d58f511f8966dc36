"""What the environment says of the processes, and how a batch is shared; real processes are in tests/cli."""

import pytest
import torch

from lenetx.errors import InputError
from lenetx.training.augment import Augmentation, Augmenter
from lenetx.training.parallel import ALONE, Group, current, device_of


@pytest.fixture
def environment(monkeypatch):
    """The function that sets the variables of torchrun."""
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)

    def told(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return told


def test_without_torchrun_a_process_is_alone(environment):
    environment()
    assert current() is ALONE
    environment(WORLD_SIZE="1", RANK="0", LOCAL_RANK="0")
    assert current() is ALONE
    assert ALONE.leads


def test_torchrun_tells_the_rank(environment):
    environment(WORLD_SIZE="4", RANK="3", LOCAL_RANK="1")
    assert current() == Group(3, 4, 1)
    assert not current().leads


@pytest.mark.parametrize(
    "variables",
    [{"WORLD_SIZE": "2"}, {"WORLD_SIZE": "2", "RANK": "2"}, {"WORLD_SIZE": "two", "RANK": "0"}],
    ids=["no rank", "a rank too many", "no number"],
)
def test_an_environment_that_contradicts_itself_is_refused(environment, variables):
    environment(**variables)
    with pytest.raises(InputError, match="torchrun"):
        current()


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("size", [3, 32, 33])
def test_the_shares_of_a_batch_are_the_batch(count, size):
    shares = [Group(rank, count).share(torch.arange(size)) for rank in range(count)]
    assert sorted(torch.cat(shares).tolist()) == list(range(size))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_every_process_changes_its_images_as_one_alone_would():
    images = torch.rand(7, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    how = Augmentation(shift=2, rotate=30, scale=0.3, shear=0.2, elastic=1)

    def changed(group):
        draws = torch.Generator().manual_seed(2)
        return Augmenter(how, 8, 8, torch.device("cpu"), draws, group)(group.share(images), len(images))

    alone = changed(ALONE)
    for rank in range(2):
        group = Group(rank, 2)
        torch.testing.assert_close(changed(group), group.share(alone))


def test_one_gpu_for_several_processes_is_refused():
    with pytest.raises(InputError, match="say cuda, for a GPU each"):
        device_of("cuda:0", Group(0, 2))
    assert device_of("cpu", Group(1, 2)) == torch.device("cpu")
