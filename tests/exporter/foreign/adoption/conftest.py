"""A small network, its checkpoint and its plain file, and the function that adopts a file."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import lenetx
from lenetx_runtime.spec import METADATA_KEY

from ..conftest import (
    export,
    trained_norms,
)


class Net(nn.Module):
    """Small, so that a proof takes a second."""

    input_shape = (1, 32, 32)

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.dense = nn.Conv2d(1, 3, 5, 3), nn.BatchNorm2d(3), nn.Linear(300, 10)

    def forward(self, x):
        return self.dense(torch.relu(self.norm(self.conv(x))).flatten(1))


@pytest.fixture(scope="module")
def module():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return trained_norms(Net())


@pytest.fixture(scope="module")
def checkpoint(module):
    return lenetx.Checkpoint.of(module, framing="mnist", mean=0.1559, std=0.2976)


@pytest.fixture(scope="module")
def plain(module, tmp_path_factory):
    """What the older exporter writes if nothing is folded."""
    path = tmp_path_factory.mktemp("plain") / "plain.onnx"
    return export(module, path, dynamo=False, do_constant_folding=False)


@pytest.fixture
def adopt(checkpoint, tmp_path):
    """The function that writes a model, adopts it and returns the report and the published path."""

    def run(model=None, against=None, **options):
        if model is not None:
            (tmp_path / "theirs.onnx").write_bytes(model.SerializeToString())
        report = lenetx.adopt(
            tmp_path / "theirs.onnx", against=against or checkpoint, folder=tmp_path / "out", **options
        )
        return report, tmp_path / "out" / "theirs.onnx"

    return run


def frames(count=5):
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8)


def parts(model):
    """Return the nodes and the tensors of a model as bytes."""
    return [
        [each.SerializeToString(deterministic=True) for each in field]
        for field in (model.graph.node, model.graph.initializer)
    ]


def without_spec(path):
    model = onnx.load(path)
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    assert len(kept) == len(model.metadata_props) - 1
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    return model
