"""A training whose numbers are none any more."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LenetxError

if TYPE_CHECKING:
    from ..weights.checkpoint import Checkpoint

__all__ = ["Diverged"]


class Diverged(LenetxError):
    """The loss or a weight became NaN or infinite.

    Attributes:
        step: at which it was seen, from 1.
        rate: learning rate of that step.
        checkpoint: the weights that were the best until then, judged; ``None`` if no epoch was finished.
    """

    def __init__(self, what: str, step: int, rate: float) -> None:
        super().__init__(f"{what} at step {step}, at learning rate {rate:.3g}; try a lower --lr.")
        self.step, self.rate = step, rate
        self.checkpoint: Checkpoint | None = None

    def kept_in(self, path: Path) -> None:
        """Say where the caller has saved the checkpoint."""
        assert self.checkpoint is not None, "there is one to be saved"
        epoch = self.checkpoint.metrics["chosen_epoch"]
        self.args = (f"{self} '{path}' holds the weights of epoch {epoch}, the last good ones that were kept.",)
