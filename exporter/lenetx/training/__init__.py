"""The shared training core."""

from .config import TrainConfig
from .progress import Progress
from .run import train

__all__ = ["Progress", "TrainConfig", "train"]
