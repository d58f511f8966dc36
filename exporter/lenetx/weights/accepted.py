"""Accept other custom code instead of the recorded code, if the user permits it."""

from collections.abc import Callable

from lenetx_runtime import ModelSpec

from .. import models
from ..errors import CheckpointError
from ..models.identity import described, is_same
from .checkpoint import ACCEPT, CODE, Checkpoint
from .options import WeightsOptions

__all__ = ["accepted_instead", "code_accepted", "with_code_of"]


def with_code_of(
    recorded: ModelSpec | None,
    name: str,
    checkpoint: Checkpoint,
    options: WeightsOptions,
    on_notice: Callable[[str], None],
) -> Checkpoint:
    """Return a checkpoint whose custom network is that of an artifact, or was accepted in its place.

    Args:
        recorded: the artifact's spec; ``None`` if there is none.
        name: the artifact's file name.
        checkpoint: the weights.
        options: whether other code is accepted.
        on_notice: called with a sentence if other code was accepted.

    Raises:
        CheckpointError: the network is another one, and that was not accepted.
    """
    named = checkpoint.spec.architecture
    if recorded is None or is_same(recorded.architecture, named):
        return checkpoint
    if checkpoint.network is None or (models.is_safe(named) and models.is_safe(recorded.architecture)):
        return checkpoint  # the proof compares the names
    if not options.accept_code:
        raise CheckpointError(
            f"'{name}' was made with {described(recorded.architecture)}, not with {described(named)}: {ACCEPT}."
        )
    accepted = checkpoint.with_accepted_code(recorded.architecture)
    on_notice(f"'{name}': {code_accepted(accepted)}.")
    return accepted


def code_accepted(checkpoint: Checkpoint) -> str:
    """Return a description of the network that was accepted instead of the recorded one."""
    return accepted_instead(checkpoint.spec.architecture, checkpoint.config[CODE])


def accepted_instead(named: str, recorded: str) -> str:
    """Return that a network was accepted instead of the recorded one, by their names, for a message."""
    return f"{described(named)} was accepted in place of {described(recorded)}"
