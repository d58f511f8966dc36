"""Run the code of a custom network during training."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager

from .. import models
from ..execution.user_code import user_code
from .config import TrainConfig
from .parallel import Group

__all__ = ["Guard", "guard_of"]

Guard = Callable[[], AbstractContextManager[None]]


def guard_of(config: TrainConfig, group: Group) -> Guard:
    """Return what to run a network's code in; of several processes, torch's own errors tell that one is gone."""
    if models.is_built_in(config.architecture) or group.count > 1:
        return contextlib.nullcontext
    title = config.architecture.split("@")[0]
    return lambda: user_code(title, " in training")
