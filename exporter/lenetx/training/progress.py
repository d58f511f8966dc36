"""What a training run tells while it goes on."""

from dataclasses import dataclass

__all__ = ["Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of training, given to the caller every few steps and after each epoch.

    Attributes:
        epoch, epochs: the current one, from 1, and how many there are.
        step, steps: finished over the whole run, and how many there are.
        loss: mean cross-entropy in nats over the latest steps of this epoch.
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
