"""Networks as people write them, as TorchScript: proven to be the same, or told in words what they cannot be."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from lenetx.data import archive
from lenetx.errors import InputError
from lenetx.formats import get, open_artifact
from lenetx.formats.leaves import leaves
from lenetx.formats.network import Network
from lenetx.formats.torchscript.batch import program_of_traces
from lenetx.formats.torchscript.code import Name, write
from lenetx.formats.torchscript.torch_tracer import trace
from lenetx.formats.torchscript.trace import Traced
from lenetx.graph import Unknown
from lenetx.weights.checkpoint import Checkpoint
from lenetx.weights.plain_tensors import weights_sha256
from lenetx_runtime import ModelSpec

F = nn.functional
SHAPE = (1, 12, 12)


class Net(nn.Module):
    """A convolution, what is asked about, and a dense layer."""

    def __init__(self, middle):
        super().__init__()
        self.conv, self.fc, self.middle = nn.Conv2d(1, 4, 5, stride=1), nn.Linear(256, 10), middle
        self.centre = nn.Parameter(torch.linspace(-1, 1, 4))

    def forward(self, x):
        return self.fc(self.middle(self, self.conv(x)).flatten(1))


def num_flat_features(x):
    number = 1
    for size in x.size()[1:]:
        number *= size
    return number


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(_, gradient):
        return gradient


def changed(change):
    return lambda _, x: change(x)


def first_row_to_zero(x):
    x[:, :, 0] = 0
    return x


def part_by_part(x):
    x[:, 0] -= x[:, 1]
    x[:, 2:4] *= 2
    x[:, 1, 2:, ::2] = 5.0
    return x


def through_a_view(x):
    x.view(x.size(0), -1).add_(1)
    return x * 2


def pieces_apart(x):
    a, b = x.chunk(2, 1)
    return torch.cat([b, F.relu(a, inplace=True)], 1)


def rows_turned(x):
    found = torch.empty_like(x)
    for place in range(x.shape[1]):
        found[:, place] = x[:, 3 - place]
    return found


def spatial_transformer(_, x):
    means = x.mean((2, 3))
    theta = torch.cat([means, means[:, :2]], 1).view(-1, 2, 3)
    return F.grid_sample(x, F.affine_grid(theta, x.size(), align_corners=False), align_corners=False)


WAYS = {
    "view of the tutorial": lambda _, x: x.view(-1, num_flat_features(x)),
    "view of a product": lambda _, x: x.view(x.size(0), int(np.prod(x.shape[1:]))),
    "view of len": lambda _, x: x.reshape(len(x), -1),
    "view of int": lambda _, x: x.view(int(x.shape[0]), 4, 64),
    "view of numel": lambda _, x: x.view(x.shape[0], x[0].numel()),
    "rows for each channel": lambda _, x: x.view(x.size(0) * 4, 8, 8).softmax(-1).view(x.size(0), 256),
    "whole numbers": lambda _, x: (x * 2 - 1) / 3 + (1 - x) ** 2 + 2**x + 1 / (1 + x.abs()),
    "fractions": lambda _, x: 1.7159 * torch.tanh(2 / 3 * x) - torch.tensor(0.1307),
    "resize": lambda _, x: F.interpolate(x, size=(8, 8), mode="bilinear", align_corners=False),
    "upsampling": lambda _, x: F.interpolate(x[:, :, ::2, ::2], scale_factor=2, mode="nearest"),
    "group norm": lambda _, x: F.group_norm(x, 2),
    "instance norm": lambda _, x: F.instance_norm(x),
    "local response norm": lambda _, x: F.local_response_norm(x, 3),
    "max and min": lambda _, x: torch.cat([torch.max(*x.chunk(2, 1)), torch.min(*x.split(2, 1))], 1),
    "max of an axis": lambda _, x: x - x.max(1, keepdim=True)[0],
    "pooling rounded up": lambda _, x: F.pad(F.max_pool2d(x, 3, 2, 1, ceil_mode=True), (0, 3, 0, 3)),
    "constants": lambda _, x: x + torch.linspace(0, 1, 8) + torch.zeros(x.shape[0], 1, 8, 8),
    "weights that are computed with": lambda net, x: x * net.centre.exp().view(1, 4, 1, 1),
    "a weight for each image": lambda net, x: x + net.centre.view(1, 4, 1, 1).expand(x.size(0), -1, 8, 8),
    "spatial transformer": spatial_transformer,
    "sorted": lambda _, x: x.sort(-1)[0],
    "indices": lambda _, x: x[:, [3, 2, 1, 0]][..., torch.arange(7, -1, -1)],
    "masks": lambda _, x: torch.where(x > 0, x, torch.tensor(0.5)).masked_fill(x > 1, float("-inf")).clamp(min=-2),
    "attention": lambda _, x: F.scaled_dot_product_attention(x, x, x),
    "einsum": lambda net, x: torch.einsum("bchw,c->bchw", x, net.centre),
    "dropout in eval mode": lambda net, x: F.alpha_dropout(F.dropout(x, 0.5, net.training), 0.5, net.training),
    "a function of its own": lambda _, x: Sign.apply(x) * x,
    "where the input is": lambda _, x: x.to(x.device) + torch.ones(8, device=x.device),
    "first row to zero": changed(first_row_to_zero),
    "part by part": changed(part_by_part),
    "through a view": changed(through_a_view),
    "pieces apart": changed(pieces_apart),
    "rows turned": changed(rows_turned),
    "masked": changed(lambda x: x.masked_fill_(x < 0, 0.5).clamp_(0, 3).mul_(2)),
}


def program_of(network, counts=(2, 3)):
    samples = (torch.zeros(counts[0], *SHAPE), torch.rand(counts[1], *SHAPE) + 1)
    return program_of_traces("__torch__.Net", *(Traced(trace(network.eval(), each)) for each in samples))


def checkpoint_of(network, monkeypatch):
    """A checkpoint that builds this network."""
    spec = ModelSpec(
        architecture="lenet5",
        channels=1,
        height=12,
        width=12,
        padding=0,
        scale=1 / 255,
        mean=(0.5,),
        std=(0.3,),
        labels=tuple("0123456789"),
        weights_sha256=weights_sha256(network.state_dict()),
        producer="lenetx test",
        framing="stretch",
        polarity="as_is",
    )
    monkeypatch.setattr(Checkpoint, "module", lambda _: network.eval())
    return Checkpoint(spec, network.state_dict(), {}, {}, ())


def opened_of(network, tmp_path, monkeypatch):
    path = tmp_path / "net.torchscript"
    checkpoint = checkpoint_of(network, monkeypatch)
    path.write_bytes(get("torchscript").export(Network(checkpoint), batch="dynamic"))
    return open_artifact(path), checkpoint


@pytest.mark.parametrize("way", WAYS)
def test_what_is_exported_computes_what_the_network_does(way, tmp_path, monkeypatch):
    torch.manual_seed(0)
    network = Net(WAYS[way])
    opened, checkpoint = opened_of(network, tmp_path, monkeypatch)
    inputs = torch.randn(7, *SHAPE)
    for count in (1, 2, 5, 7):
        with torch.no_grad():
            expected = network(inputs[:count].clone()).numpy()
        before = inputs[:count].numpy().copy()
        np.testing.assert_allclose(opened.backend.run(before), expected, rtol=1e-5, atol=1e-6)
        assert np.array_equal(before, inputs[:count].numpy())
    assert opened.training() == []
    assert opened.matches_new_export(Network(checkpoint))


def test_a_recurrent_network_starts_anew_with_each_batch(tmp_path, monkeypatch):
    network = Net(lambda net, x: net.rows(x.mean(1))[0])
    network.rows, network.fc = nn.LSTM(8, 4, batch_first=True), nn.Linear(32, 10)
    opened, _ = opened_of(network, tmp_path, monkeypatch)
    inputs = torch.randn(3, *SHAPE)
    with torch.no_grad():
        expected = network(inputs).numpy()
    for _ in range(2):
        np.testing.assert_allclose(opened.backend.run(inputs.numpy()), expected, rtol=1e-5, atol=1e-6)
    assert {"rows.weight_hh_l0", "rows.bias_ih_l0"} <= opened.weights.keys()


def test_sizes_are_numbers_in_the_code_and_nothing_changes_a_tensor():
    program, _ = program_of(Net(WAYS["view of the tutorial"]))
    text = write(program)
    assert re.search(r"torch\.view\(\w+, \[-1, 256\]\)", text)
    for word in ("size", "NumToTensor", "int(", "prim"):
        assert word not in text


def test_numbers_stand_in_the_code_and_constants_have_values():
    program, constants = program_of(Net(lambda _, x: x * 2 + torch.tensor([0.25]).view(1, 1, 1, 1)))
    assert "torch.mul(" in write(program)
    assert 2 in [each for call in program.statements for each in leaves(call.values) if type(each) is int]
    assert [tuple(each.shape) for each in constants][2] == (1, 1, 1, 1)


def test_the_number_of_images_is_read_from_the_image_alone():
    program, _ = program_of(Net(WAYS["a weight for each image"]))
    sizes = [call for call in program.statements if call.operator == "size"]
    assert [call.arguments for call in sizes] == [(Name(program.image), 0)]


REFUSED = {
    "branches on the data": (
        lambda _, x: 1 - x if x[0, 0].std() > 1e-3 else x * 2 + 1,  # a picture of zeros becomes one number
        "behaves differently for other images",
    ),
    "a number of the data": (lambda _, x: x * x.max().item(), "behaves differently for other images"),
    "goes through the images": (
        lambda _, x: torch.stack([each.flatten() for each in x]),
        "behaves differently for other",
    ),
    "branches on their number": (lambda _, x: x * 2 if len(x) > 2 else x, "behaves differently for other images"),
    "computes with their number": (lambda _, x: x * x.shape[0], "behaves differently for other images"),
    "counts them": (
        lambda _, x: x + torch.arange(x.shape[0]).view(-1, 1, 1, 1),
        "behaves differently for other images",
    ),
    "random numbers": (lambda _, x: x + torch.randn(8), "draws random numbers in eval mode"),
    "dropout that is always on": (lambda _, x: F.dropout(x, 0.5), "In eval mode too, the network draws random"),
    "statistics of the batch": (
        lambda _, x: F.batch_norm(x, None, None, training=True),
        "statistics of the whole batch",
    ),
    "parts that are read later": (
        lambda _, x: (lambda whole, part: whole + part.add_(1)[:, :1])(x.view(-1, 4, 8, 8)[:, :2], x[:, 1:3])[:, :1],
        "changes a tensor in place of which it reads another part later",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_no_straight_line_can_be_is_told_in_words(kind, tmp_path, monkeypatch):
    middle, words = REFUSED[kind]
    network = Net(lambda net, x: middle(net, x).expand(len(x), -1, -1, -1)[:, :1].repeat(1, 4, 1, 1))
    if kind == "goes through the images":
        network = Net(middle)
    with pytest.raises(InputError, match=words) as caught:
        opened_of(network, tmp_path, monkeypatch)
    assert "\n" not in str(caught.value)


def test_a_branch_that_sleeps_is_no_fresh_export(tmp_path, monkeypatch):
    """lgamma has no canonical form here: a factor that wakes up on one picture shows in nothing but the code."""
    network = Net(lambda _, x: torch.lgamma(x.abs() + 1))
    opened, checkpoint = opened_of(network, tmp_path, monkeypatch)
    assert isinstance(opened.expression({}), Unknown)
    path = tmp_path / "net.torchscript"
    records = archive.unpack(path.read_bytes())
    name = next(each for each in records if each.startswith("code/"))
    code = records[name].decode()
    last = code.rsplit("return ", 1)[1].strip()
    lines = (
        "    t = torch.amax(x, [1, 2, 3])\n    u = torch.sub(t, 1000)\n    v = torch.relu(u)\n"
        f"    w = torch.unsqueeze(v, 1)\n    z = torch.add({last}, w)\n    return z"
    )
    records[name] = code.replace(f"    return {last}", lines).encode()
    path.write_bytes(archive.pack(records))
    inputs = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    asleep = open_artifact(path)
    assert np.array_equal(asleep.backend.run(inputs), opened.backend.run(inputs))
    assert opened.matches_new_export(Network(checkpoint))
    assert not asleep.matches_new_export(Network(checkpoint))
