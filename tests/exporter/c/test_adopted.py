"""ONNX files of another program as C: proven from the same weights, and held to what lenetx writes for their graph."""

import contextlib
import io
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import lenetx
from lenetx.errors import InputError


class Network(nn.Module):
    """A batch norm that exporters fold, and a size that torch's older exporter computes while it runs."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.Linear(864, 10)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.norm(self.first(x))), 2)
        return self.last(x.view(x.size(0), -1))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    module = Network()
    module.norm.running_mean.normal_()
    module.norm.running_var.uniform_(0.5, 2)
    return module.eval()


def exported(module, path, dynamo):
    sample, dynamic = torch.zeros(2, 1, 28, 28), {"input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}}
    if dynamo:
        dynamic = {"dynamic_shapes": ({0: torch.export.Dim("n")},), "external_data": False, "verbose": False}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (sample,), path, dynamo=dynamo, **dynamic)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("dynamo", [True, False])
def test_a_file_of_each_exporter_is_written_and_proven_as_c(network, tmp_path, dynamo):
    notes = []
    lenetx.adopt(
        exported(network, tmp_path / "theirs.onnx", dynamo),
        against=network,
        input_shape=(1, 28, 28),
        folder=tmp_path / "adopted",
        also_c=True,
        on_notice=notes.append,
    )
    made = tmp_path / "adopted" / "theirs.c"
    assert any(note.startswith("theirs.c computes what eager PyTorch computes") for note in notes)
    assert made.with_suffix(".h").is_file()
    report = lenetx.verify(made, against=network, input_shape=(1, 28, 28))
    assert report.passed, report.failures
    assert {"weights", "graph"} <= {check.name for check in report.checks if check.status == "passed"}
    inputs = np.random.default_rng(0).standard_normal((3, 1, 28, 28), np.float32)
    with torch.inference_mode():
        eager = network(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(lenetx.classifier(made).logits(inputs), eager, atol=1e-5)
    torch.manual_seed(4)
    assert not lenetx.verify(made, against=Network().eval(), input_shape=(1, 28, 28)).passed


def test_an_unproven_graph_is_not_written_as_c(network, tmp_path):
    path = exported(network, tmp_path / "theirs.onnx", dynamo=False)
    with pytest.raises(InputError, match="--also-c is for the proof, and --unproven makes none"):
        lenetx.adopt(path, unproven=True, also_c=True, input_shape=(1, 28, 28), folder=tmp_path / "adopted")
