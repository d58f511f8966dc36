"""Define a small network that ends in an average over 50,176 numbers: all pixels of a 224×224 image."""

from typing import ClassVar

from torch import Tensor, nn

__all__ = ["GapNet"]


class GapNet(nn.Module):
    """Two convolutions and a global average: float32[N, 1, 224, 224] to float32[N, 10] logits."""

    input_shape: ClassVar[tuple[int, int, int]] = (1, 224, 224)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 10, 1)
        self.relu = nn.ReLU()
        self.average = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()

    def forward(self, image: Tensor) -> Tensor:
        """Return float32[N, 10] logits for float32[N, 1, 224, 224]."""
        logits: Tensor = self.flatten(self.average(self.conv2(self.relu(self.conv1(image)))))
        return logits
