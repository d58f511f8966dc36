"""What torch's exporter makes of each operator whose canonical form is known is the same expression again."""

import io
import warnings
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from lenetx.data import archive
from lenetx.formats.onnx.canonical import canonical
from lenetx.formats.pt2.records import packed, written_here
from lenetx.formats.pt2.translate import translate
from lenetx.formats.torchscript.torch_tracer import trace
from lenetx.graph import Unknown, aliases, difference, of_tape
from lenetx.graph.tape import record

from .conftest import Known

SHAPE = (4, 8, 8)


class Activations(nn.Module):
    def forward(self, x):
        for function in (
            functional.silu,
            functional.hardswish,
            functional.hardsigmoid,
            functional.mish,
            functional.gelu,
        ):
            x = function(x) - x
        x = functional.gelu(x, approximate="tanh") + functional.celu(x, 0.7)
        x = functional.elu(x, 0.7) * functional.selu(x)
        x = functional.leaky_relu(x, 0.1) + functional.relu6(x).relu() * 1 - 0 + functional.hardtanh(x)
        return x.clamp(min=0.5).clamp(max=2).clamp(min=0).clamp(0.75, 1.5).flatten(1).sigmoid()


class Arithmetic(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale, self.offset = nn.Parameter(torch.rand(4, 1, 1)), nn.Parameter(torch.rand(1, 4, 1, 1))

    def forward(self, x):
        x = (x / 3 - 2) * self.scale + self.offset
        x = (
            torch.add(2 - x, x.exp(), alpha=3)
            + 1 / (x * x + 1)
            + (x.abs() + 1).log()
            + (x**2 + 1).sqrt()
            - torch.neg(x)
        )
        x = torch.maximum(x, -x) + torch.minimum(x, x.tanh())
        x = functional.softmax(x, 1) + functional.log_softmax(x, -1)
        return (x.sum((2, 3)) + x.amax((2, 3)) * x.amin((2, 3), keepdim=True).flatten(1)).relu() + x.mean((1, 2))[:, :4]


class Shapes(nn.Module):
    def forward(self, x):
        first, second = x.chunk(2, 1)
        second = torch.cat([torch.cat([second, first], 1)[:, :1], torch.cat([first, second], 1)], 1)[:, 1:3]
        x = torch.cat([second, first, x[:, 1:4:2], x[:, -1:]], 1)
        one, five = x.split([2, 5], 1)
        x = torch.stack([one, five[:, :2]], 2).flatten(1, 2).permute(0, 2, 3, 1)
        x = functional.pad(x.unsqueeze(1).squeeze(1), (1, 2, 0, 1), value=0.5)
        x = x.reshape(x.size(0), 3, 3, -1).transpose(1, 3)
        return x.select(2, 1).contiguous().view(x.size(0), -1)


class Windows(nn.Module):
    def forward(self, x):
        x = functional.max_pool2d(x, 3, 2, 1, 2) + functional.avg_pool2d(x, 3, 3, 1)
        x = functional.pad(x, (3, 2, 3, 2))
        x = functional.max_pool2d(x, 3, 2, ceil_mode=True) + functional.avg_pool2d(x, 3, 2, ceil_mode=True)
        x = x + functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False) + functional.adaptive_avg_pool2d(x, 4)
        x = torch.cat(
            [functional.adaptive_max_pool2d(x, 2).flatten(1), functional.adaptive_avg_pool2d(x, 2).flatten(1)], 1
        )
        rows = functional.avg_pool1d(functional.max_pool1d(x.unflatten(1, (4, 8)), 2), 2, 1)
        return rows.flatten(1)


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.framed = nn.Conv2d(4, 8, 4, padding=1, bias=False)
        self.grouped = nn.Conv2d(8, 8, 3, groups=4, dilation=2)
        self.batch = nn.BatchNorm2d(8)
        self.layer = nn.LayerNorm([8, 4, 4])
        self.bare, self.dense = nn.Linear(8, 6, bias=False), nn.Linear(6, 5)
        for name, tensor in [*self.named_parameters(), *self.named_buffers()]:
            if name.startswith(("batch.r", "batch.w", "batch.b", "layer")):
                tensor.data.uniform_(0.5, 1.5)

    def forward(self, x):
        x = self.layer(self.batch(self.grouped(self.framed(functional.pad(x, (0, 1, 0, 1)))).relu()))
        x = functional.dropout(x, 0.5, self.training).mean((2, 3))
        return self.dense(self.bare(x)) @ self.dense.weight


class Moves(nn.Module):
    def forward(self, x):
        x = (
            torch.roll(x, (-3, 2), (2, 3))
            + x.flip(1, 3)
            + functional.pad(x, (1, 1, 1, 1), mode="reflect")[..., 1:-1, 1:-1]
        )
        x = x[:, [2, 0, 1, 3]] - x.index_select(2, torch.tensor([7, *range(7)])) + functional.channel_shuffle(x, 2)
        x = x.repeat(1, 2, 1, 1) * x.mean(1, keepdim=True).expand(-1, 8, -1, -1)
        x = functional.pixel_shuffle(x, 2) - functional.interpolate(x, scale_factor=2)[:, :2]
        x = x + functional.interpolate(x[:, :, ::2, ::2], size=(16, 16), mode="bilinear")
        return functional.pixel_unshuffle(x, 4).flatten(1) * functional.adaptive_avg_pool2d(x, (16, 16)).sum(
            (1, 2, 3), keepdim=True
        ).flatten(1)


class Curves(nn.Module):
    def __init__(self):
        super().__init__()
        self.slopes = nn.PReLU(4)
        self.group, self.image = nn.GroupNorm(2, 4), nn.InstanceNorm2d(4, affine=True)
        for tensor in self.parameters():
            tensor.data.uniform_(0.5, 1.5)

    def forward(self, x):
        x = self.slopes(functional.softplus(x, 2, 10) - functional.threshold(x, 0.25, -1)) + functional.softplus(x)
        x = x + functional.hardshrink(x) - functional.softshrink(x) * functional.logsigmoid(x)
        x = x.log1p() + x.sign() - (x * x + 1).rsqrt() + x.var((1, 2), keepdim=True) - x.std((2, 3), keepdim=True)
        x = self.image(self.group(x)) + functional.instance_norm(x)
        x = functional.local_response_norm(x, 3) + functional.normalize(x, dim=1)
        return functional.adaptive_avg_pool2d(x, (3, 5)).flatten(1) + functional.adaptive_avg_pool2d(x, (5, 3)).flatten(
            1
        )


class Tokens(nn.Module):
    """Attention in windows, with several heads, and with a token for the class."""

    def __init__(self):
        super().__init__()
        self.token, self.table = nn.Parameter(torch.rand(1, 1, 4)), nn.Parameter(torch.rand(2, 16, 16))
        self.heads, self.mix = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 12, bias=False)

    def forward(self, x):
        windows = x.view(-1, 4, 2, 4, 2, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, 4)
        query, key, value = self.mix(windows).view(-1, 16, 3, 2, 2).permute(2, 0, 3, 1, 4).unbind(0)
        shares = (query @ key.transpose(-2, -1) / 3 + self.table).softmax(-1)
        x = (shares @ value).transpose(1, 2).reshape(-1, 2, 2, 4, 4, 4).permute(0, 1, 3, 2, 4, 5).flatten(1, 4)
        x = torch.cat([self.token.expand(x.size(0), -1, -1), x], 1)
        x = x + self.heads(x, x, x, need_weights=False)[0]
        y = x.unsqueeze(1)
        y = functional.scaled_dot_product_attention(y, y, y, scale=0.3).squeeze(1)
        return torch.einsum("bic,bjc->bij", x, y).mean(2)


NETWORKS = {each.__name__: each for each in (Activations, Arithmetic, Shapes, Windows, Layers, Moves, Curves, Tokens)}


@pytest.fixture(params=NETWORKS)
def network(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NETWORKS[request.param]().eval().requires_grad_(False)


def written(network, known, opset):
    """Return the ONNX model of a network as we publish it."""
    weights = {name: tensor.numpy() for name, tensor in known.usage.tensors.items()}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        program = torch.onnx.export(
            network,
            (torch.zeros(2, *SHAPE),),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=opset,
            verbose=False,
        )
    return canonical(program.model_proto, weights, opset)


@pytest.mark.parametrize("opset", [18, pytest.param(20, marks=pytest.mark.slow), 23])
def test_onnx(network, opset):
    known = Known(network, SHAPE)
    found = known.onnx(written(network, known, opset))
    if opset >= 23 and isinstance(network, Tokens):  # there it is one operator
        assert isinstance(found, Unknown)
        assert found.reason == "Attention has no canonical form here: it is not known"
        return
    assert difference(known.expression, found) is None


@pytest.mark.slow
@pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning")
def test_pt2(network):
    known, spec = Known(network, SHAPE), SimpleNamespace(input_shape=SHAPE, input_name="image")
    records = packed(*translate(network, spec, "dynamic"), written_here())
    module = torch.export.load(io.BytesIO(archive.pack(records))).module()
    own = {id(tensor): name for name, tensor in [*module.named_parameters(), *module.named_buffers()]}
    found = of_tape(record(module, torch.zeros(2, *SHAPE), own), known.aliases)
    assert difference(known.expression, found) is None


def test_torchscript(network):
    known = Known(network, SHAPE)
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.freeze(trace(network, torch.zeros(2, *SHAPE)), optimize_numerics=False), buffer)
    module = torch.jit.load(io.BytesIO(buffer.getvalue()))
    constants = [
        node.t("value")
        for node in module.graph.findAllNodes("prim::Constant")
        if node.output().type().kind() == "TensorType"
    ]
    names = {id(one): name for one in constants for name, own in known.usage.tensors.items() if torch.equal(one, own)}
    found = of_tape(record(module, torch.zeros(2, *SHAPE), names), known.aliases)
    assert difference(known.expression, found) is None


def _written(constant, x):
    constant[:, 1:] = x[:, 1:]
    return constant * 2 + x


UNKNOWN = {
    "erfinv has no canonical form here: it is not known": lambda x: x.erfinv(),
    "it computes with whole numbers or truth values (_to_copy)": lambda x: x * (x > 2).any().float(),
    "it reads single numbers of a value (_local_scalar_dense)": lambda x: x * float(x.mean()),
    "adaptive_max_pool2d has no canonical form here: sizes that do not divide": lambda x: (
        functional.adaptive_max_pool2d(x, 3)
    ),
    "native_batch_norm has no canonical form here: in training mode": lambda x: functional.batch_norm(
        x, None, None, training=True
    ),
    "it changes a part of a constant in place": lambda x: _written(torch.zeros(2, *SHAPE), x),
    "mean has no canonical form here: it mixes the images of a batch": lambda x: x - x.mean(),
    "its output mixes the images of a batch": lambda x: x.transpose(0, 1).flatten(0),
    "_softmax has no canonical form here: it mixes the images of a batch": lambda x: x.flatten(0, 1).softmax(0),
    "_unsafe_view has no canonical form here: it mixes the images of a batch": lambda x: x.flatten(1)[:, :9].reshape(
        3, 6
    ),
    "slice has no canonical form here: it chooses among the images of a batch": lambda x: x[:1],
    "div has no canonical form here: its rounding_mode is floor": lambda x: torch.div(x, 2, rounding_mode="floor"),
    "sub has no canonical form here: it mixes the images of a batch": lambda x: x.mean((1, 2, 3)) - x.flatten(1)[:, :2],
}


@pytest.mark.parametrize("reason", UNKNOWN)
def test_what_has_no_canonical_form_is_said_to_have_none(reason):
    found = of_tape(record(UNKNOWN[reason], torch.zeros(2, *SHAPE)))
    assert isinstance(found, Unknown)
    assert found.reason.startswith(reason)


def test_tensors_of_the_same_numbers_have_one_name():
    zeros = torch.zeros(3)
    found = aliases({"a": zeros, "b": torch.ones(3), "c": zeros.clone(), "d": torch.zeros(3, 1), "e": -zeros})
    assert found == {"a": "a", "b": "b", "c": "a", "d": "d", "e": "e"}
