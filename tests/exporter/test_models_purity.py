"""Networks whose logits do not depend on the image alone are told so, with the cure, before anything is exported."""

import re

import pytest

from lenetx import models
from lenetx.errors import InputError
from lenetx.models.load_into import load_into
from lenetx.models.purity import require_pure

SHAPE = (1, 8, 8)
SOURCE = """
import random
import torch
from torch import nn
import torch.nn.functional as F

class Net(nn.Module):
    input_shape = (1, 8, 8)

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 3, 3), nn.Linear(108, 4)
        self.more()

    def more(self):
        pass

    def before(self, x):
        return x

    def after(self, x):
        return x

    def head(self, x):
        return self.fc(x.flatten(1))

    def forward(self, x):
        return self.head(self.after(torch.relu(self.conv(self.before(x)))))

class DropAlways(Net):
    def after(self, x):
        return F.dropout(x, 0.5)

class Noise(Net):
    def before(self, x):
        return x + 0.1 * torch.randn_like(x)

class Chance(Net):
    def before(self, x):
        return x * random.random()

class Counts(Net):
    def more(self):
        self.calls = 0
    def before(self, x):
        self.calls += 1
        return x * self.calls

class NoStatistics(Net):
    def more(self):
        self.norm = nn.BatchNorm2d(3, track_running_stats=False)
    def after(self, x):
        return self.norm(x)

class BatchMean(Net):
    def before(self, x):
        return x - x.mean()

class First(Net):
    def before(self, x):
        return x - x[0]

class TwoAtLeast(Net):
    def before(self, x):
        if len(x) < 2:
            raise ValueError("I need two")
        return x

class Shrinks(Net):
    def head(self, x):
        return super().head(x)[:, : 2 if len(x) == 1 else 4]

class Branches(Net):
    def before(self, x):
        if x.mean() > 0.5:
            x = 1 - x
        return x

class Reads(Net):
    def before(self, x):
        return x / float(x.max())

class Checks(Net):
    def before(self, x):
        assert not torch.isnan(x).any()
        return x

class Found(Net):
    def before(self, x):
        return -x if len(torch.nonzero(x == 0.12345)) else x

class Sparse(Net):
    def before(self, x):
        return -x if (x == 0.12345).float().to_sparse()._nnz() else x

class Five(Net):
    def before(self, x):
        return x if x.shape[0] != 5 else -x

class Many(Net):
    def after(self, x):
        return x / 2 if x.size(0) * 2 > 200 else x

class Masked(Net):
    def before(self, x):
        return -x if x[x == 0.12345].numel() else x

class Listed(Net):
    def more(self):
        self.others = [nn.Conv2d(1, 1, 3, padding=1)]
    def before(self, x):
        return self.others[0](x)

class Fixed(Net):
    def head(self, x):
        return self.fc(x.view(64, -1))

class One(Net):
    def head(self, x):
        return self.fc(x.view(1, -1))

# those that are pure

class InPlace(Net):
    def before(self, x):
        x -= 0.5
        return x

class DropRight(Net):
    def after(self, x):
        return F.dropout(x, 0.5, self.training)

class PerImage(Net):
    def before(self, x):
        return (x - x.mean((1, 2, 3), True)) / (x.std((1, 2, 3), keepdim=True) + 1e-3)

class Instance(Net):
    def more(self):
        self.norm = nn.InstanceNorm2d(3)
    def after(self, x):
        return self.norm(x)

class Logarithm(Net):
    def before(self, x):
        return torch.log(x)

class Unsaved(Net):
    def more(self):
        self.register_buffer("mean", torch.tensor(0.1307), persistent=False)
        self.edges = torch.ones(1, 1, 3, 3)
    def before(self, x):
        return F.conv2d(x - self.mean, self.edges, padding=1)

class BySize(Net):
    def before(self, x):
        return x * 1.0 if x.shape[0] > 100 else x

class Filled(Net):
    def before(self, x):
        x[x < 0] = 0
        found = torch.nonzero((x == 0.12345).flatten(1).any(1))[:, 0]
        places = torch.arange(8).roll(1)
        return x.index_fill(0, found, 7.0)[:, :, places]

class Slope(Net):
    def after(self, x):
        return F.rrelu(x)
"""


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    path = tmp_path_factory.mktemp("pure") / "net.py"
    path.write_text(SOURCE, encoding="ascii")

    def check(name):
        architecture = models.resolve(f"{path}:{name}")
        network = architecture.build(SHAPE, 4)

        def rebuild():
            other = architecture.build(SHAPE, 4)
            load_into(other, network.state_dict())
            return other

        require_pure(network, architecture.title, SHAPE, rebuild)

    return check


def line(code):
    return f"in line {SOURCE[: SOURCE.index(code)].count(chr(10)) + 1} of net.py"


RANDOM = "gives different logits for the same input in eval mode: it draws random numbers"
READS = "reads a number of its input"
SIZED = "branches on how many there are"
WHOLE = "gives an image other logits beside other images than by itself"
REFUSED = {
    "DropAlways": (RANDOM, line("F.dropout(x, 0.5)"), "F.dropout needs training=self.training"),
    "Noise": (RANDOM, line("x + 0.1 * torch.randn")),
    "Chance": (RANDOM, "or keeps something from one call to the next"),
    "Counts": (RANDOM, "or keeps something from one call to the next"),
    "NoStatistics": ("normalises by the other images", line("self.norm(x)"), "leave out track_running_stats=False"),
    "BatchMean": (WHOLE, "x.mean(dim=(1, 2, 3), keepdim=True)"),
    "First": (WHOLE,),
    "TwoAtLeast": ("takes 3 images at once, but not one", "I need two", "a batch of any size"),
    "Shrinks": ("gives logits of shape [1, 2] for one image instead of [1, 4]", "a row for each image"),
    "Branches": (READS, line("if x.mean() > 0.5"), "torch.where"),
    "Reads": (READS, line("float(x.max())")),
    "Checks": (READS, line("assert not torch.isnan"), "leave checks of the input out of forward"),
    "Found": (SIZED, line("torch.nonzero(x == 0.12345)) else"), "torch.where"),
    "Sparse": (READS, line("(x == 0.12345).float()")),
    "Five": ("other logits in a batch of 5 than in one of 3",),
    "Many": ("other logits in a batch of 101 than in one of 3",),
    "Masked": (SIZED, line("x[x == 0.12345]")),
    "Listed": ("random numbers that are none of its weights", "nn.ModuleList"),
    "Fixed": ("takes batches of 64 only", "x.flatten(1)", line("self.fc(x.view(64, -1))")),
    "One": ("takes batches of 1 only", "x.flatten(1)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_network_that_is_not_steady_is_told_the_line_and_the_cure(check, name):
    with pytest.raises(InputError) as caught:
        check(name)
    message = str(caught.value)
    assert message.startswith(f"net.py:{name} ")
    assert all(words in message for words in REFUSED[name]), message


@pytest.mark.parametrize("name", re.findall(r"class (\w+)", SOURCE.partition("# those")[2]))
def test_a_network_that_is_steady_passes(check, name):
    check(name)
