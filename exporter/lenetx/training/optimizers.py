"""Build the configured optimizer and its learning rate schedule."""

from collections.abc import Callable, Iterable
from functools import partial

from torch import nn, optim
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR

from .config import TrainConfig

__all__ = ["optimizer", "schedule"]

_FEWEST_STEPS = 6
"""Minimum length of a one-cycle schedule: with 5 steps, a warm-up of 0.2 is one step and torch divides by zero."""


def optimizer(config: TrainConfig, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """Return the configured optimizer, in torch's fused implementation."""
    rate, decay, momentum = config.learning_rate, config.weight_decay, config.resolved_momentum
    if config.optimizer == "sgd":
        return optim.SGD(parameters, lr=rate, momentum=momentum, weight_decay=decay, fused=True)
    kind = optim.AdamW if config.optimizer == "adamw" else optim.Adam
    return kind(parameters, lr=rate, betas=(momentum, float(config.second_moment)), weight_decay=decay, fused=True)


def schedule(config: TrainConfig, stepped: optim.Optimizer, steps: int) -> LRScheduler:
    """Return the configured learning rate schedule of an optimizer over ``steps`` steps."""
    cycle = partial(
        OneCycleLR,
        max_lr=config.learning_rate,
        total_steps=max(steps, _FEWEST_STEPS),
        pct_start=config.resolved_warm_up,
    )
    kinds: dict[str, Callable[..., LRScheduler]] = {
        "constant": partial(ConstantLR, factor=1.0, total_iters=0),
        "cosine": partial(CosineAnnealingLR, T_max=max(steps, 1)),
        "one-cycle": partial(cycle, cycle_momentum=config.momentum is None),
        "linear": partial(cycle, anneal_strategy="linear", cycle_momentum=False),
    }
    return kinds[config.schedule](stepped)
