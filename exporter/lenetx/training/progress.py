"""What a run reports while it goes on, and the error of one whose numbers are NaN or infinite."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LenetxError

if TYPE_CHECKING:
    from ..weights.checkpoint import Checkpoint

__all__ = ["Diverged", "Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of training, given to the caller every few steps and after each epoch.

    Attributes:
        epoch, epochs: the current one, from 1, and how many there are.
        step, steps: finished over the whole run, and how many there are.
        loss: mean loss in nats over the latest steps of this epoch; over all of them right after it, as in the history.
        accuracy: share of right labels over the same steps, 0.0 to 1.0.
        images_per_second: mean over the run so far.
        seconds_left: estimated for the rest of the run.
        validation_accuracy: 0.0 to 1.0, right after an epoch, else ``None``.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    images_per_second: float
    seconds_left: float
    validation_accuracy: float | None = None


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
        """Return where the caller has saved the checkpoint."""
        assert self.checkpoint is not None, "there is one to be saved"
        epoch = self.checkpoint.metrics["chosen_epoch"]
        self.args = (f"{self} '{path}' holds the weights of epoch {epoch}, the last good ones that were kept.",)
