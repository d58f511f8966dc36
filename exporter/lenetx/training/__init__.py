"""The shared training core."""

from .augment import Augmentation
from .config import TrainConfig
from .data_settings import settle_data_options
from .progress import Progress
from .run import train
from .settings import settle

__all__ = ["Augmentation", "Progress", "TrainConfig", "settle", "settle_data_options", "train"]
