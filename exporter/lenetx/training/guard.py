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
    """Return the context manager in which to run the network's code.

    With several processes it changes nothing: ``parallel.joined`` needs torch's own errors to see that a process died.
    """
    if models.is_built_in(config.architecture) or group.count > 1:
        return contextlib.nullcontext
    title = config.architecture.split("@")[0]
    return lambda: user_code(title, " in training")
