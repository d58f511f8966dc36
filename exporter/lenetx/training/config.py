"""What a training run is told."""

from dataclasses import dataclass

from .. import data, models
from ..errors import InputError, UnknownName

__all__ = ["TrainConfig"]

_LARGEST_SEED = 2**64 - 1


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Configuration of one training run with Adam and a one-cycle learning rate.

    Attributes:
        data: name of the data set.
        architecture: name of the network.
        epochs: passes over the training split; the data set's own default when ``None``.
        batch_size: images per step, a last and smaller batch of an epoch being left out; the data set's own default
            when ``None``.
        learning_rate: the largest of the one-cycle schedule.
        seed: of the first weights and of the order of images.
        device: ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UnknownName, InputError: a value that cannot be used.
    """

    data: str = data.DEFAULT
    architecture: str = models.DEFAULT
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float = 0.003
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.data not in data.SOURCES:
            raise UnknownName("data set", self.data, data.SOURCES)
        if self.architecture not in models.NETWORKS:
            raise UnknownName("architecture", self.architecture, models.NETWORKS)
        for name, value in (("number of epochs", self.epochs), ("batch size", self.batch_size)):
            if value is not None and value < 1:
                raise InputError(f"The {name} is {value}; it must be at least 1.")
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(f"The learning rate is {self.learning_rate}; it must be positive.")
        if self.seed < 0:
            raise InputError(f"The seed is {self.seed}; it must not be negative.")
        if self.seed > _LARGEST_SEED:
            raise InputError(f"The seed is {self.seed}; it must be at most {_LARGEST_SEED}, the largest of torch.")
