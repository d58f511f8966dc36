"""Define the progress that a run reports, and the error of a run that diverged."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LenetxError

if TYPE_CHECKING:
    from ..weights.checkpoint import Checkpoint

__all__ = ["Diverged", "Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a run, reported every few steps and after each epoch.

    Attributes:
        epoch, epochs: the current epoch, from 1, and their number.
        step, steps: finished steps of the whole run, and their number.
        loss: mean training loss, in nats unless it is ``mse``, over the latest steps of this epoch; after an epoch,
            over all its steps, as in the history.
        accuracy: fraction of correct predictions in the same steps, 0.0 to 1.0.
        images_per_second: mean over the run so far.
        seconds_left: estimated time for the rest of the run.
        validation_accuracy: 0.0 to 1.0 after an epoch, else ``None``.
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
        step: step at which it was noticed, from 1.
        rate: learning rate of that step.
        checkpoint: the weights kept until then, evaluated on the test split; ``None`` if no epoch was finished.
    """

    def __init__(self, what: str, step: int, rate: float) -> None:
        super().__init__(f"{what} at step {step}, at learning rate {rate:.3g}; try a lower --lr.")
        self.step, self.rate = step, rate
        self.checkpoint: Checkpoint | None = None

    def kept_in(self, path: Path) -> None:
        """Add to the message that the checkpoint was saved to ``path``."""
        assert self.checkpoint is not None, "there is one to be saved"
        epoch = self.checkpoint.metrics["chosen_epoch"]
        self.args = (f"{self} '{path}' holds the weights of epoch {epoch}, the last good ones that were kept.",)
