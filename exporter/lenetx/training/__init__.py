"""Train a network: configuration, training loop, history file and initial weights."""

from .augment import Augmentation
from .config import TrainConfig
from .history import HistoryFile
from .initial import InitialWeights
from .progress import Diverged, Progress
from .run import train
from .settings import settle, settle_data_options

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
