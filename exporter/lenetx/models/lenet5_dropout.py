"""Define LeNet-5 with dropout before each of the last two layers."""

from torch import Tensor, nn

from .lenet5 import LeNet5

__all__ = ["LeNet5Dropout"]

_SHARE = 0.25
"""Share of activations to drop: the usual half is for larger networks, and too much for 84 units."""


class LeNet5Dropout(LeNet5):
    """LeNet-5 with dropout: float32[N, channels, 32, 32] to float32[N, classes] logits."""

    def __init__(self, classes: int = 10, channels: int = 1) -> None:
        super().__init__(classes, channels)
        self.dropout = nn.Dropout(_SHARE)

    def forward(self, image: Tensor) -> Tensor:
        """Return float32[N, classes] logits for float32[N, channels, 32, 32]."""
        x = self.halved(self.conv1(image))
        x = self.halved(self.conv2(x))
        x = self.activation(self.fc1(self.flatten(x)))
        x = self.activation(self.fc2(self.dropout(x)))
        logits: Tensor = self.fc3(self.dropout(x))
        return logits
