"""Networks of every supported kind as C: the same logits as eager PyTorch with every compiler, and on plain floats."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lenetx.formats import c
from lenetx.formats.c.compile import compilers
from lenetx.formats.c.reading import read
from lenetx.formats.network import Network
from lenetx.proof import Reference, prove
from lenetx.weights.checkpoint import Checkpoint

from .conftest import called


class Residual(nn.Module):
    """Strides, padding, groups, dilation, a sum of branches, joined channels and a mean over pixels."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.grouped = nn.Conv2d(8, 12, 3, padding=2, dilation=2, groups=2, bias=False)
        self.down = nn.Conv2d(8, 12, 1)
        self.last = nn.Conv2d(24, 7, 1)

    def forward(self, x):
        x = functional.leaky_relu(self.first(x), 0.1)
        x = x + functional.relu6(self.depthwise(x))
        x = functional.max_pool2d(x, 3, 2, 1)
        y = functional.relu(self.grouped(x) + self.down(x))
        y = functional.avg_pool2d(torch.cat([y, self.down(x)], 1), 2, 1)
        return self.last(functional.adaptive_avg_pool2d(y, 1)).flatten(1)


class Smooth(nn.Module):
    """Functions of the C library, pooling that overlaps, and a batch norm that cannot be folded."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 5, (3, 5), padding=(0, 2)), nn.BatchNorm2d(5)
        self.second, self.last = nn.Conv2d(5, 33, 4, stride=(1, 2)), nn.Linear(231, 10)

    def forward(self, x):
        x = torch.sigmoid(self.norm(torch.tanh(self.first(x))))
        x = functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        x = functional.max_pool2d(functional.leaky_relu(self.second(x)), 2, 1)
        return functional.log_softmax(self.last(x.flatten(1)), 1)


class Padded(nn.Module):
    """Explicit padding of each kind, and clamps."""

    def __init__(self, mode="reflect"):
        super().__init__()
        self.mode, self.first = mode, nn.Conv2d(1, 20, 5)
        self.last = nn.Linear(20 * 12 * 12, 3)

    def forward(self, x):
        x = functional.pad(x, (2, 2, 2, 2), mode=self.mode)
        x = functional.max_pool2d(self.first(x).clamp(-0.25, 0.5), 2)
        return self.last(functional.dropout(x, 0.5, self.training).flatten(1)).clamp(max=0.75)


class Grouped(nn.Module):
    """Groups with a bias; windows that hang over the end; a mean and a product that padded convolutions read."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 9, 3, groups=3)
        self.second, self.third = nn.Conv2d(9, 6, 3, padding=1), nn.Conv2d(9, 6, 3, padding=(2, 1))
        self.rows = nn.Parameter(torch.randn(9, 5) / 4)

    def forward(self, x):
        x = functional.max_pool2d(torch.relu(self.first(x)), 2, ceil_mode=True)
        mean = self.second(functional.adaptive_avg_pool2d(x, 1))
        return (
            functional.adaptive_avg_pool2d(self.third(functional.max_pool2d(x @ self.rows, 2, ceil_mode=True)), 1)
            + mean
        ).flatten(1)


class Flat(nn.Module):
    """Dense layers alone."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(49, 130), nn.ReLU(), nn.Linear(130, 4, bias=False), nn.Softmax(1))

    def forward(self, x):
        return self.layers(x.flatten(1))


NETWORKS = {
    "residual": (Residual, (3, 30, 26)),
    "smooth": (Smooth, (1, 24, 12)),
    "reflected": (Padded, (1, 24, 24)),
    "repeated": (lambda: Padded("replicate"), (1, 24, 24)),
    "circular": (lambda: Padded("circular"), (1, 24, 24)),
    "zeros": (lambda: Padded("constant"), (1, 24, 24)),
    "grouped": (Grouped, (3, 9, 20)),
    "flat": (Flat, (1, 7, 7)),
}


def made(name):
    """Return a module in eval mode with drawn statistics, and its C source."""
    factory, shape = NETWORKS[name]
    torch.manual_seed(7)
    module = factory().eval()
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.running_mean.normal_()
            each.running_var.uniform_(0.5, 2)
    checkpoint = Checkpoint.of(module, input_shape=shape, framing="stretch", mean=0.5, std=0.25)
    return module, checkpoint, read(c.export(Network(checkpoint), stem="net").decode())


@pytest.mark.parametrize(
    "name",
    [name if name == "grouped" else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS],
)
def test_logits_are_those_of_eager_pytorch_with_every_compiler_and_on_plain_floats(built, name):
    module, checkpoint, source = made(name)
    inputs = np.random.default_rng(0).standard_normal((5, *checkpoint.spec.input_shape), np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(inputs)).numpy()
    scratch = np.full(source.program.floats, np.nan, np.float32)
    variants = [(compiler, flags) for compiler in compilers() for flags in (["-O1"], ["-O3", "-march=native"])]
    for compiler, flags in [*variants, (compilers()[0], ["-O2", "-Dnet_SCALAR"])]:
        library = built(source, *flags, compiler=compiler)
        for row, one in enumerate(inputs):
            found = np.full(expected.shape[1], np.nan, np.float32)
            assert called(library.net_logits, one.copy(), found, scratch) == 0
            np.testing.assert_allclose(found, expected[row], atol=1e-5, rtol=1e-5, err_msg=f"{compiler} {flags}")


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_proven(tmp_path, name):
    _, checkpoint, source = made(name)
    path = tmp_path / "net.c"
    path.write_text(source.text)
    report = prove(c.open(path), Reference(checkpoint, None))
    assert report.passed, report.failures
    assert {check.status for check in report.checks if "sanitizers" in check.name} == {"passed"}


def test_layers_are_fused_and_lifetimes_share_the_scratch(checkpoint):
    source = read(c.export(Network(checkpoint)).decode())
    assert source.text.count("/* Conv 'conv2d': 5x5 convolution to 6 channels, 2x2 max pooling, relu */") == 1
    assert "(void)memory" not in source.text
    apart = 4 * (6 * 14 * 14 + 16 * 5 * 5 + 120 + 84 + math.prod(checkpoint.spec.input_shape))
    assert 4 * source.program.floats < apart * 2 / 3
    assert 4 * source.program.floats <= 8192
