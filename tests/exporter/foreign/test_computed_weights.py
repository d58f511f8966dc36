"""Weights of which the network reads only what its code computes of them; a file may hold just the results."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn.utils import weight_norm

import lenetx

from .conftest import copied, detail, export, set_weight, status, weight

SHAPE = (1, 8, 8)


class Standardised(nn.Conv2d):
    """A convolution that standardises its weights by a batch norm in training mode, as timm's norm-free networks do."""

    def forward(self, x):
        rows = self.weight.reshape(1, self.out_channels, -1)
        weight = nn.functional.batch_norm(rows, None, None, training=True, momentum=0.0, eps=1e-6)
        return nn.functional.conv2d(x, weight.reshape_as(self.weight), self.bias)


def test_a_norm_of_weights_is_not_one_of_the_batch(tmp_path):
    module = nn.Sequential(Standardised(1, 6, 5), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(54, 10)).eval()
    model = export(module, tmp_path / "theirs.onnx", (1, 16, 16), dynamo=False)
    assert "BatchNormalization" in {each.op_type for each in model.graph.node}
    report = lenetx.verify(tmp_path / "theirs.onnx", against=module)
    assert report.passed
    assert status(report, "training operators") == "passed"


class Biased(nn.Module):
    """A bias for each place, from a table: as the attention of Swin and MaxViT has it for each distance."""

    input_shape = SHAPE

    def __init__(self):
        super().__init__()
        self.conv, self.dense = nn.Conv2d(1, 3, 3, 2), nn.Linear(27, 4)
        self.table = nn.Parameter(torch.randn(5, 3))
        self.register_buffer("index", torch.arange(9) % 5)

    def forward(self, x):
        bias = self.table[self.index].permute(1, 0).contiguous()
        return self.dense((self.conv(x).flatten(2) + bias.unsqueeze(0)).relu().flatten(1))


@pytest.mark.parametrize("dynamo", [True, False])
def test_entries_of_a_table_are_compared_where_they_are_read(tmp_path, dynamo):
    module = Biased().eval()
    model = export(module, tmp_path / "theirs.onnx", SHAPE, dynamo=dynamo)
    assert not any(tensor.name == "table" for tensor in model.graph.initializer)
    report = lenetx.verify(tmp_path / "theirs.onnx", against=module)
    assert {name: status(report, name) for name in ("weights", "numbers", "graph")} == dict.fromkeys(
        ("weights", "numbers", "graph"), "passed"
    )
    assert "only what it computes of them" in detail(report, "weights")
    for name, factor in ((entries_of(model), 1.01), ("conv.weight", 1 + 2**-22)):
        changed = copied(model)
        set_weight(changed, name, weight(model, name) * np.float32(factor))
        onnx.save(changed, tmp_path / "changed.onnx")
        assert not lenetx.verify(tmp_path / "changed.onnx", against=module).passed


def entries_of(model):
    return next(tensor.name for tensor in model.graph.initializer if list(tensor.dims) == [1, 3, 9])


@pytest.mark.parametrize("seed", range(3, 5))
@pytest.mark.parametrize("dynamo", [True, False])
def test_weights_of_the_older_weight_norm_are_no_weights_of_their_own(tmp_path, seed, dynamo):
    """Untrained, they are those that it norms, but for roundings: by chance of seed 3, torch's are their very bits."""
    torch.manual_seed(seed)
    with pytest.warns(FutureWarning, match="weight_norm"):
        layers = [weight_norm(nn.Conv2d(1, 4, 3, 2)), nn.ReLU(), nn.Flatten(), weight_norm(nn.Linear(36, 5))]
    module = nn.Sequential(*layers).eval()
    export(module, tmp_path / "theirs.onnx", SHAPE, dynamo=dynamo)
    assert lenetx.verify(tmp_path / "theirs.onnx", against=lenetx.Checkpoint.of(module, input_shape=SHAPE)).passed
