"""Networks, each of a test file's own, in whose files torch's older exporter computes with sizes."""

import pytest
import torch

import lenetx

from ..conftest import export


@pytest.fixture(scope="module")
def module(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return request.module.Net().eval()


@pytest.fixture(scope="module")
def checkpoint(module):
    return lenetx.Checkpoint.of(module)


@pytest.fixture(scope="module")
def plain(module, tmp_path_factory):
    return export(module, tmp_path_factory.mktemp("plain") / "plain.onnx", (1, 12, 12), dynamo=False)


@pytest.fixture
def prove(checkpoint, tmp_path):
    """The function that writes a model and proves it."""

    def run(model):
        path = tmp_path / "theirs.onnx"
        path.write_bytes(model.SerializeToString())
        return lenetx.verify(path, against=checkpoint)

    return run
