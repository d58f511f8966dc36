"""Whatever one value of a state file is changed to, the run refuses it in words or goes on to its end."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from lenetx.frames.device_split import DeviceSplit
from lenetx.training import TrainConfig
from lenetx.training.loop import Loop

CLASSES, IMAGES, BATCH, EPOCHS = 3, 16, 4, 2
REFUSALS = (KeyError, TypeError, ValueError, RuntimeError, AttributeError, ArithmeticError)
"""What lenetx.training.run turns into a CheckpointError."""
CONFIGS = {
    "adam": TrainConfig(epochs=EPOCHS, batch_size=BATCH, ema=0.9, hardest=0.5),
    "sgd": TrainConfig(epochs=EPOCHS, batch_size=BATCH, optimizer="sgd", schedule="cosine", keep="last"),
    "adamw": TrainConfig(epochs=EPOCHS, batch_size=BATCH, optimizer="adamw", schedule="constant"),
}


class Killed(Exception):
    """Stands for the end of the process."""


class Memory:
    """Keeps the state of one moment, as its file would."""

    def __init__(self, step: int) -> None:
        self.step, self.state = step, {}

    def due(self) -> bool:
        return True

    def write(self, loop: dict[str, Any]) -> None:
        if loop["stepper"]["step"] == self.step:
            self.state = copy.deepcopy(loop)
            raise Killed


def fresh(config: TrainConfig) -> Loop:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(72, CLASSES))
    images = torch.randint(0, 256, (IMAGES, 1, 8, 8), dtype=torch.uint8)
    split = DeviceSplit(images, torch.arange(IMAGES) % CLASSES, torch.linspace(-1, 1, 256)[None])
    return Loop(network, split, split, config)


def stopped(config: TrainConfig, step: int) -> dict[str, Any]:
    memory = Memory(step)
    with pytest.raises(Killed):
        fresh(config).run(state=memory)
    return memory.state


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield path, value
    if isinstance(value, dict | list | tuple):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from leaves(value[key], (*path, key))


def changed(state: Any, path: tuple[Any, ...], change: Any) -> Any:
    """Return a copy in which one value is another, or gone."""
    if not path:
        return change(state)
    key, *rest = path
    parts = dict(state) if isinstance(state, dict) else list(state)
    parts[key] = changed(state[key], tuple(rest), change)
    if parts[key] is Killed:
        del parts[key]
    return parts if isinstance(state, dict) else type(state)(parts)


OTHERS = (None, True, "text", -1, 10**30, math.nan, math.inf, [], {}, (1, 2), torch.zeros(1), torch.zeros(0), Killed)
"""Instead of anything; ``Killed`` for nothing at all."""


def tensors_like(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    yield tensor.double() if tensor.dtype == torch.float32 else tensor.float()
    yield torch.cat([tensor.reshape(-1), tensor.reshape(-1)])
    yield torch.zeros(1, dtype=tensor.dtype).expand(*tensor.shape, 1000)
    yield torch.zeros(tensor.numel() + 1, dtype=tensor.dtype).to_sparse()
    yield torch.full_like(tensor, 255 if tensor.dtype == torch.uint8 else -3)
    if tensor.is_floating_point():
        for bad in (math.nan, math.inf, -1e38):
            poisoned = tensor.clone(memory_format=torch.contiguous_format)
            poisoned.view(-1)[-1:] = bad
            yield poisoned
    elif tensor.dtype == torch.int64:
        yield torch.full_like(tensor, 2**62)


class Trial:
    """Gives changed states to a fresh loop, which is used again as long as it refuses them."""

    def __init__(self, config: TrainConfig) -> None:
        self.config, self.loop = config, fresh(config)

    def takes(self, state: Any) -> bool:
        """Return whether the run goes on; it then has to end after no more steps than any run has."""
        try:
            self.loop.load_state_dict(state)
        except REFUSALS:
            return False
        history = self.loop.run().history
        self.loop = fresh(self.config)
        assert len(history) <= EPOCHS
        assert all(record["step"] <= EPOCHS * IMAGES // BATCH for record in history)
        return True


@pytest.mark.slow
@pytest.mark.parametrize(("name", "step"), [("adam", 5), ("sgd", 1), ("adamw", 4)])
def test_any_one_wrong_value_is_refused_or_harmless(name, step):
    state, trial = stopped(CONFIGS[name], step), Trial(CONFIGS[name])
    assert trial.takes(copy.deepcopy(state))
    changes = (
        (path, value, other)
        for path, value in leaves(state)
        for other in (*OTHERS, *(tensors_like(value) if isinstance(value, torch.Tensor) else ()))
    )
    taken = (each for each in changes if trial.takes(changed(state, each[0], lambda _, new=each[2]: new)))
    assert not [(path, other) for path, value, other in taken if not _is_harmless(path, value, other)]


def _is_harmless(path: tuple[Any, ...], value: Any, other: Any) -> bool:
    """Check whether a value need not be refused: it fits, or it is not read, since the configuration says it."""
    if isinstance(value, torch.Tensor):
        return isinstance(other, torch.Tensor) and other.shape == value.shape
    without_gradient = other is Killed and path[:-1] == ("stepper", "optimizer", "state")
    unread = path[:2] == ("stepper", "schedule") or "param_groups" in path
    figure = path[0] in ("history", "best") and isinstance(other, int | float | tuple)
    return unread or figure or without_gradient or other is value or other == value


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (("stepper", "optimizer", "state", 0, "exp_avg"), torch.zeros(1)),
        (("stepper", "optimizer", "state", 0, "exp_avg_sq"), torch.zeros(1).expand(2, 1, 3, 3).double()),
        (("stepper", "optimizer", "state", 0, "exp_avg_sq"), torch.full((2, 1, 3, 3), -1.0)),
        (("stepper", "optimizer", "state", 0, "step"), torch.tensor(0.0)),
        (("stepper", "optimizer", "state", 0, "exp_avg"), Killed),
        (("stepper", "optimizer", "state"), {}),
        (("stepper", "optimizer", "param_groups", 0, "lr"), 1e9),
        (("stepper", "step"), 6),
        (("epoch",), 10**9),
        (("order", "rows"), torch.full((8,), 2**40)),
        (("draws",), torch.full((5056,), 255, dtype=torch.uint8)),
        (("weights", "0.bias"), torch.full((2,), math.nan)),
        (("history", 0, "step"), 10**9),
    ],
    ids=str,
)
def test_a_value_that_could_crash_or_never_end_is_refused(path, change):
    config = CONFIGS["adam"]
    state = changed(stopped(config, 5), path, lambda _: change)
    with pytest.raises(REFUSALS):
        fresh(config).load_state_dict(state)


def test_moments_keep_the_layout_of_their_parameters():
    """One number seen many times has the shape of a moment, and room for one."""
    config = CONFIGS["adam"]
    state, repeated = stopped(config, 5), torch.tensor(0.5).expand(2, 1, 3, 3)
    loop = fresh(config)
    loop.load_state_dict(changed(state, ("stepper", "optimizer", "state", 0, "exp_avg"), lambda _: repeated))
    assert len(loop.run().history) == EPOCHS
    assert repeated.storage_offset() == 0
    assert float(repeated[0, 0, 0, 0]) == 0.5
