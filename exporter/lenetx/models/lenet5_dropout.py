"""LeNet-5 with dropout before each of the two last layers."""

from torch import Tensor, nn

from .lenet5 import LeNet5

__all__ = ["LeNet5Dropout"]

_SHARE = 0.25
"""Of the activations that a training step sets to zero: half, as is usual for larger nets, is too much for 84."""


class LeNet5Dropout(LeNet5):
    """Take float32[N, channels, 32, 32] and give float32[N, classes] logits."""

    def __init__(self, classes: int = 10, channels: int = 1) -> None:
        super().__init__(classes, channels)
        self.dropout = nn.Dropout(_SHARE)

    def forward(self, image: Tensor) -> Tensor:
        """Compute the logits."""
        x = self.halved(self.conv1(image))
        x = self.halved(self.conv2(x))
        x = self.activation(self.fc1(self.flatten(x)))
        x = self.activation(self.fc2(self.dropout(x)))
        logits: Tensor = self.fc3(self.dropout(x))
        return logits
