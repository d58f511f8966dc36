"""What ``torch.export`` makes of code of many kinds: a plain program that gives the same answers, or a sentence."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from lenetx import formats
from lenetx.data import archive
from lenetx.errors import InputError
from lenetx.formats.network import Network
from lenetx.weights.checkpoint import Checkpoint

SHAPE = (1, 8, 8)


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(x.flatten(1))


class InPlace(Base):
    """On its own value, on part of one, and on a value that is read again."""

    def forward(self, x):
        x = functional.relu(x.flatten(1) - 0.5, inplace=True)
        y = x.clone()
        y[:, 3] = 1.5
        z = y.sigmoid()
        z += x
        z.mul_(2)
        x.add_(1)
        return self.fc(z + x)


class Sizes(Base):
    """Sizes by every way that keeps the number of images symbolic."""

    def forward(self, x):
        x = x.view(len(x), -1).reshape(int(x.shape[0]), 8, 8).transpose(1, 2).reshape(-1, 64)
        return self.fc(x + x.new_zeros(x.size(0), 1) + torch.zeros(x.shape[0], 64) + torch.arange(64) / 64)


class Single(Base):
    """``squeeze`` would also drop the axis of a batch of one image."""

    def forward(self, x):
        return self.fc(functional.adaptive_avg_pool2d(x, 1).squeeze()[:, None].expand(-1, 64))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(64, 64), nn.Linear(64, 64)
        self.second.weight = self.first.weight
        self.last = nn.ModuleDict({"été 1": nn.Linear(64, 10)})
        self.register_buffer("shift", torch.full((10,), 0.25), persistent=False)

    def forward(self, x):
        return self.last["été 1"](self.second(self.first(x.flatten(1)).relu())) + self.shift


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rows = nn.LSTM(8, 10, batch_first=True, dropout=0.5, num_layers=2)

    def forward(self, x):
        return self.rows(x[:, 0])[0][:, -1]


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads, self.fc = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True), nn.Linear(64, 10)

    def forward(self, x):
        x = x[:, 0]
        return self.fc(self.heads(x, x, x)[0].flatten(1))


def written(kind, **options):
    torch.manual_seed(0)
    return formats.export("pt2", Network(Checkpoint.of(kind().eval(), input_shape=SHAPE)), **options)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [InPlace, Sizes, Single, Tied, Recurrent, Attention])
def test_it_gives_eager_answers_and_changes_nothing_in_place(kind, tmp_path):
    path = tmp_path / "net.pt2"
    path.write_bytes(written(kind))
    opened = formats.open_artifact(path)
    torch.manual_seed(0)
    eager, inputs = kind().eval(), torch.rand(4, *SHAPE)
    for rows in (2, 4, 1) if kind is not Single else (2, 4):
        expected = eager(inputs[:rows].clone()).detach()
        assert torch.allclose(torch.from_numpy(opened.backend.run(inputs[:rows].numpy())), expected, atol=1e-5)
    assert opened.backend.run(inputs[:1].numpy()).shape == (1, 10)
    assert set(opened.weights) == {name for name, _ in [*eager.named_parameters(), *eager.named_buffers()]}


@pytest.mark.slow
def test_a_size_is_left_to_the_operator_where_it_can_be():
    text = archive.unpack(written(Sizes))["models/model.json"].decode()
    assert text.count('"as_name":"sym_size_int"') == 3  # its own node, and two tensors that the code makes


class Autocast(Base):
    def forward(self, x):
        with torch.autocast("cpu"):
            return super().forward(x).float()


class Complex(Base):
    def forward(self, x):
        return super().forward(torch.fft.fft2(x).abs())


class Counting(Base):
    def forward(self, x):
        return super().forward(x) * (x.shape[0] / 2)


class Loop(Base):
    def forward(self, x):
        return torch.stack([self.fc(each.flatten()) for each in x])


class Taken(nn.Module):
    def __init__(self):
        super().__init__()
        self.graph = nn.Linear(64, 10)

    def forward(self, x):
        return self.graph(x.flatten(1))


class Keyword(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleDict({"class": nn.Linear(64, 10)})

    def forward(self, x):
        return self.heads["class"](x.flatten(1))


REFUSED = {
    Counting: "computes with the number of images",
    Loop: "fixes the batch size while it is traced",
    Autocast: "its code has wrap_with_autocast, which no file holds",
    Complex: "it computes with torch.complex64, which no file holds",
    Keyword: "torch.export cannot hold the name heads.class.",
    Taken: "torch.export has a 'graph' of its own; the network's needs another name",
}


@pytest.mark.parametrize(
    "kind", [Counting, *(pytest.param(each, marks=pytest.mark.slow) for each in list(REFUSED)[1:])]
)
def test_what_no_file_holds_is_named(kind):
    with pytest.raises(InputError, match=REFUSED[kind]):
        written(kind)


@pytest.mark.slow
def test_with_a_fixed_batch_code_may_count(tmp_path):
    path = tmp_path / "net.pt2"
    path.write_bytes(written(Counting, batch=4))
    assert formats.open_artifact(path).artifact.spec.batch == 4
