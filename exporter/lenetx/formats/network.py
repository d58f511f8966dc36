"""The network that every format writes: a checkpoint's in eval mode, its batch norms folded."""

from functools import cached_property
from typing import TYPE_CHECKING

from ..execution.copies import another
from ..graph.fold import fold
from ..graph.usage import Usage, usage_of

if TYPE_CHECKING:
    from torch import nn

    from lenetx_runtime import ModelSpec

    from ..weights.checkpoint import Checkpoint

__all__ = ["Network"]


class Network:
    """A checkpoint's network, built and folded once for all formats and for the proof.

    Args:
        checkpoint: the weights and all that is known of them.
        built: the checkpoint's module in eval mode, if there is one already; it is not changed.

    Raises:
        CheckpointError: the weights are not those of the checkpoint's network.
        InputError: the network's own code raised an error.
    """

    def __init__(self, checkpoint: "Checkpoint", built: "nn.Module | None" = None) -> None:
        self.checkpoint = checkpoint
        with checkpoint.guard():
            module = checkpoint.module() if built is None else another(built, checkpoint.module)
            self._folded = fold(module, checkpoint.spec.input_shape)

    @property
    def spec(self) -> "ModelSpec":
        """The checkpoint's."""
        return self.checkpoint.spec

    @property
    def module(self) -> "nn.Module":
        """A copy that shares the tensors: what its code keeps of a batch is seen by nobody else."""
        with self.checkpoint.guard():
            return another(self._folded, lambda: fold(self.checkpoint.module(), self.spec.input_shape))

    @cached_property
    def usage(self) -> Usage:
        """The tensors and numbers that it computes with."""
        with self.checkpoint.guard():
            return usage_of(self.module, self.spec.input_shape)
