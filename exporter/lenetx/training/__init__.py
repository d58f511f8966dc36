"""The shared training core."""

from .augment import Augmentation
from .config import TrainConfig
from .progress import Progress
from .run import train
from .settings import settle
from .start import Start

__all__ = ["Augmentation", "Progress", "Start", "TrainConfig", "settle", "train"]
