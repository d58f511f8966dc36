"""Define LeNet-5 with batch normalisation between each layer except the last and its ReLU."""

from torch import Tensor, nn

from .lenet5 import LeNet5

__all__ = ["LeNet5BatchNorm"]


class LeNet5BatchNorm(LeNet5):
    """LeNet-5 with batch normalisation: float32[N, channels, 32, 32] to float32[N, classes] logits."""

    def __init__(self, classes: int = 10, channels: int = 1) -> None:
        super().__init__(classes, channels)
        self.bn1 = nn.BatchNorm2d(6)
        self.bn2 = nn.BatchNorm2d(16)
        self.bn3 = nn.BatchNorm1d(120)
        self.bn4 = nn.BatchNorm1d(84)

    def forward(self, image: Tensor) -> Tensor:
        """Return float32[N, classes] logits for float32[N, channels, 32, 32]."""
        x = self.halved(self.bn1(self.conv1(image)))
        x = self.halved(self.bn2(self.conv2(x)))
        x = self.activation(self.bn3(self.fc1(self.flatten(x))))
        x = self.activation(self.bn4(self.fc2(x)))
        logits: Tensor = self.fc3(x)
        return logits
