"""Define LeNet-5 with the original's tanh and average pooling.

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998. Unlike in the
original, the second convolution is fully connected to the first, and the last layer is linear.
"""

from torch import Tensor, nn

from .lenet5 import LeNet5

__all__ = ["LeNet5Original"]


class LeNet5Original(LeNet5):
    """LeNet-5 with tanh and average pooling: float32[N, channels, 32, 32] to float32[N, classes] logits."""

    def __init__(self, classes: int = 10, channels: int = 1) -> None:
        super().__init__(classes, channels)
        self.activation = nn.Tanh()
        self.pool = nn.AvgPool2d(2)

    def halved(self, x: Tensor) -> Tensor:
        """Activate, then pool."""
        halved: Tensor = self.pool(self.activation(x))
        return halved
