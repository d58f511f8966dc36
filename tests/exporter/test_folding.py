"""Batch norms become part of the layer before them, where there is one."""

import copy

import pytest
import torch
from torch import nn

from lenetx.graph.fold import fold
from lenetx.graph.usage import usage_of

SHAPE = (3, 12, 12)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.fc = nn.Linear(3 * 144, 4)

    def forward(self, x):
        y = self.conv(x)
        return self.fc((self.bn(y) + y).flatten(1))


class Twice(Residual):
    def forward(self, x):
        return self.fc(self.bn(self.conv(self.bn(self.conv(x)))).flatten(1))


class Branching(Residual):
    def forward(self, x):
        x = self.bn(self.conv(x))
        return self.fc((x if x.sum() < 1e9 else -x).flatten(1))


class Shuffled(nn.Module):
    """Code that torch.fx cannot follow: sizes, blocks in a plain list beside the registered ones, a loop, a branch."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 8, 1), nn.BatchNorm2d(8)])
        self.again = list(self.parts)
        self.fc = nn.Linear(800, 4)

    def forward(self, x):
        for part in self.again:
            x = part(x)
            if x.shape[1] == 8 and len(x) > 0:
                n, c, h, w = x.shape
                x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w) if part is self.again[3] else x
        return self.fc(x.flatten(1))


class NormAndMore(nn.BatchNorm2d):
    def forward(self, x):
        return super().forward(x).relu()


class NormAndParts(nn.BatchNorm2d):
    """As timm writes them: the parts in order, with weights of their own."""

    def __init__(self, channels):
        super().__init__(channels)
        self.drop, self.act = nn.Dropout(), nn.PReLU(channels)

    def forward(self, x):
        assert x.ndim == 4
        return self.act(self.drop(super().forward(x)))


class ClampedNorm(NormAndParts):
    def forward(self, x):
        return super().forward(x.clamp(-100, 100))


class ReadElsewhere(Residual):
    def forward(self, x):
        return self.fc(self.bn(self.conv(x)).flatten(1)) * self.conv.weight.mean()


class ChangedInPlace(Residual):
    def forward(self, x):
        return self.fc(self.bn(self.conv(x).relu_()).flatten(1))


def hooked():
    network = flat(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    network[1].register_forward_hook(lambda *found: found[-1] * 2)
    return network


def flat(*layers, channels=8, side=10):
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side * side, 4))


FOLDED = {
    "convolution": lambda: flat(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()),
    "without a bias": lambda: flat(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)),
    "in groups": lambda: flat(nn.Conv2d(3, 9, 3, groups=3), nn.BatchNorm2d(9), channels=9),
    "without its own weights": lambda: flat(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, affine=False, eps=0.3)),
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(432, 9), nn.BatchNorm1d(9), nn.Linear(9, 4)),
    "code that torch.fx cannot follow": Shuffled,
    "a batch norm with parts": lambda: flat(nn.Conv2d(3, 8, 3), NormAndParts(8)),
    "no momentum": lambda: flat(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, momentum=None)),
}
KEPT = {
    "before the layer": lambda: flat(nn.BatchNorm2d(3), nn.Conv2d(3, 8, 3)),
    "read by two": Residual,
    "called twice": Twice,
    "code that looks at numbers": Branching,
    "after an activation": lambda: flat(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8)),
    "transposed convolution": lambda: flat(nn.ConvTranspose2d(3, 8, 3), nn.BatchNorm2d(8), side=14),
    "linear on more than rows": lambda: nn.Sequential(
        nn.Flatten(2), nn.Linear(144, 3), nn.BatchNorm1d(3), nn.Flatten(), nn.Linear(9, 4)
    ),
    "no statistics": lambda: flat(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=False)),
    "batch norm that does more": lambda: flat(nn.Conv2d(3, 8, 3), NormAndMore(8)),
    "batch norm that does more before": lambda: flat(nn.Conv2d(3, 8, 3), ClampedNorm(8)),
    "weights read elsewhere": ReadElsewhere,
    "changed in place before": ChangedInPlace,
    "with a hook": hooked,
    "weights of a function": lambda: flat(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3)), nn.BatchNorm2d(8)),
}


def lively(network):
    """A network whose batch norms do something, in eval mode."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if module.running_mean is not None:
                module.running_mean.normal_()
                module.running_var.uniform_(0.3, 3)
            if module.weight is not None:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
    return network.eval()


def norms(network):
    return [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def logits(network, images):
    with torch.no_grad():
        return network.double()(images.double())


@pytest.mark.parametrize("kind", FOLDED)
def test_what_can_be_folded_is_and_computes_the_same(kind):
    network, images = lively(FOLDED[kind]()), torch.randn(5, *SHAPE)
    exact = logits(copy.deepcopy(network), images)
    names = dict(network.named_parameters()).keys()
    folded = fold(network, SHAPE)
    assert not norms(folded)
    assert dict(folded.named_parameters()).keys() - {"0.bias", "conv.bias"} <= names
    torch.testing.assert_close(logits(folded, images), exact, rtol=3e-6, atol=3e-6)


@pytest.mark.parametrize("kind", KEPT)
def test_what_cannot_be_folded_stays_bit_for_bit(kind):
    network = lively(KEPT[kind]())
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    folded = fold(network, SHAPE)
    assert norms(folded)
    assert folded.state_dict().keys() == before.keys()
    assert all(torch.equal(folded.state_dict()[name], tensor) for name, tensor in before.items())


def test_it_is_rounded_once_from_float64():
    network = lively(FOLDED["convolution"]())
    conv, norm = copy.deepcopy(network[0]), copy.deepcopy(network[1])
    folded = fold(network, SHAPE)[0]
    factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    assert torch.equal(folded.weight, (conv.weight.double() * factor.view(-1, 1, 1, 1)).float())
    offset = (conv.bias.double() - norm.running_mean.double()) * factor + norm.bias.double()
    assert torch.equal(folded.bias, offset.float())


def test_usage_names_once_what_the_output_is_computed_from():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.unused = nn.Linear(4, 4), nn.Linear(4, 4)
            self.again = self.first
            self.register_buffer("shift", torch.ones(4), persistent=False)
            self.written, self.decode = nn.Parameter(torch.ones(2)), nn.Linear(4, 4)

        def forward(self, x):
            x = nn.functional.leaky_relu(self.first(x.flatten(1)), 0.125)
            self.decode(x) * 7  # which the output does not depend on
            x[:, 1:3] += self.written
            return self.again(x) * 3 + self.shift

    found = usage_of(Net().eval(), (1, 2, 2))
    assert sorted(found.tensors) == ["first.bias", "first.weight", "shift", "written"]
    assert {0.125, 3.0} <= found.numbers
    assert not {2.0, 4.0, 7.0} & found.numbers
