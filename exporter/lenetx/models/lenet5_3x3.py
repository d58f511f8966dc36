"""Define LeNet-5 with 3×3 kernels for unpadded 28×28 digits: 28 → 26 → 13 → 11 → 5."""

from typing import ClassVar

from torch import nn

from .lenet5 import LeNet5

__all__ = ["LeNet5Small"]


class LeNet5Small(LeNet5):
    """LeNet-5 with 3×3 kernels: float32[N, channels, 28, 28] to float32[N, classes] logits."""

    input_shape: ClassVar[tuple[int, int, int]] = (1, 28, 28)

    def __init__(self, classes: int = 10, channels: int = 1) -> None:
        super().__init__(classes, channels)
        self.conv1 = nn.Conv2d(channels, 6, 3)  # 6×26×26
        self.conv2 = nn.Conv2d(6, 16, 3)  # 16×11×11
