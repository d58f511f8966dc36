"""The shared training core."""

from .augment import Augmentation
from .config import TrainConfig
from .data_settings import settle_data_options
from .diverged import Diverged
from .history import HistoryFile
from .initial import InitialWeights
from .progress import Progress
from .run import train
from .settings import settle

__all__ = [
    "Augmentation",
    "Diverged",
    "HistoryFile",
    "InitialWeights",
    "Progress",
    "TrainConfig",
    "settle",
    "settle_data_options",
    "train",
]
