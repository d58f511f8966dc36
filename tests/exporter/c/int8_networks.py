"""Networks in int8 as C."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import lenetx
from lenetx.formats import get
from lenetx.formats.network import Network
from lenetx.quantization.calibration import Calibration, Sample

RANDOM = np.random.default_rng(0).normal(size=(300, 1, 16, 16)).astype(np.float32)


class Residual(nn.Module):
    """Padding, strides, dilation, groups, a sum of two scales, and a mean as the output."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, 8, 3, padding=1, stride=2)
        self.b = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=2)
        self.c = nn.Conv2d(8, 10, 1)

    def forward(self, x):
        x = torch.relu(self.a(x))
        return self.c(torch.relu(x + self.b(x))).mean((2, 3))


class Joined(nn.Module):
    """Windows that overlap and have borders, functions, channels from two scales, and a mean over the image."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, 4, (5, 3), padding=(2, 1))
        self.b, self.c = (nn.Conv2d(4, 6, 3, stride=(2, 1)) for _ in range(2))
        self.d = nn.Linear(12, 10)

    def forward(self, x):
        x = functional.max_pool2d(functional.leaky_relu(self.a(x), 0.1), 3, 2, 1)
        x = torch.cat([torch.sigmoid(self.b(x)), torch.tanh(self.c(x))], 1)
        return self.d(functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Clipped(nn.Module):
    """A clamp before a mean of windows, and a bias that a MatMul gets from an Add."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 4, 3, bias=False), nn.Parameter(torch.randn(196, 10) / 20)
        self.bias = nn.Parameter(torch.randn(10))
        self.c = nn.Linear(10, 10)

    def forward(self, x):
        x = functional.avg_pool2d(torch.clamp(self.a(x), -0.5, 0.5), 2).flatten(1)
        return self.c(torch.relu(x @ self.b + self.bias))


class Swish(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 4, 3), nn.Linear(784, 10)

    def forward(self, x):
        x = self.a(x)
        return self.b((x * torch.sigmoid(x)).flatten(1))


class Shifted(Swish):
    def forward(self, x):
        return self.b(self.a((x - 0.5) / 0.25).flatten(1))


def export(network, images):
    return get("c").export(network, precision="int8", sample=images)


def export_own(kind):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        checkpoint = lenetx.Checkpoint.of(kind().eval(), input_shape=(1, 16, 16))
    return export(Network(checkpoint), Sample(Calibration("minmax", 300, "x", 0, "0" * 64), RANDOM))
