"""Build the network that every format exports: the checkpoint's module in eval mode with folded batch norms."""

from collections.abc import Callable, Collection
from functools import cached_property
from typing import TYPE_CHECKING

from ..execution.copies import copy_or_rebuild
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
        checkpoint: the weights with their spec.
        built: the checkpoint's module in eval mode, if it exists already; it is not changed.
        kept: names of batch norms not to fold, as in a file that another program wrote.

    Raises:
        CheckpointError: the weights do not fit the checkpoint's network.
        InputError: the network's own code raised an error.
    """

    _made: tuple[object, bytes] | None = None

    def __init__(self, checkpoint: "Checkpoint", built: "nn.Module | None" = None, kept: Collection[str] = ()) -> None:
        self.checkpoint, self._kept = checkpoint, kept
        with checkpoint.guard():
            module = checkpoint.module() if built is None else copy_or_rebuild(built, checkpoint.module)
            self._folded = fold(module, checkpoint.spec.input_shape, kept)

    @property
    def spec(self) -> "ModelSpec":
        """The checkpoint's spec."""
        return self.checkpoint.spec

    @property
    def module(self) -> "nn.Module":
        """A new copy that shares the weights. State that its code keeps between calls stays in this copy."""
        with self.checkpoint.guard():
            return copy_or_rebuild(self._folded, self._rebuilt)

    def made(self, key: object, make: Callable[[], bytes]) -> bytes:
        """Return the bytes that ``make`` last returned for this key, or call it: formats share one ONNX graph."""
        if self._made is None or self._made[0] != key:
            self._made = None  # before the next is made: a large one takes memory
            self._made = key, make()
        return self._made[1]

    @cached_property
    def usage(self) -> Usage:
        """The parameters, buffers and constants that a forward pass uses."""
        with self.checkpoint.guard():
            return usage_of(self.module, self.spec.input_shape)

    def _rebuilt(self) -> "nn.Module":
        return fold(self.checkpoint.module(), self.spec.input_shape, self._kept)
