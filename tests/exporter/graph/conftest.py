"""Untrained networks, what their own code does, and files of theirs to break."""

import functools
import tempfile
import time
from pathlib import Path

import onnx
import pytest
import torch

from lenetx import models
from lenetx.data import archive
from lenetx.formats import get, open_artifact
from lenetx.formats.network import Network
from lenetx.graph import aliases, of_onnx, of_tape
from lenetx.graph.tape import record
from lenetx.graph.usage import usage_of
from lenetx.weights.checkpoint import Checkpoint
from lenetx.weights.plain_tensors import weights_sha256
from lenetx_runtime import ModelSpec


@functools.cache
def make_checkpoint(architecture, shape=None):
    """Random weights, and statistics of batch norms that are none at the start."""
    shape = shape or models.input_shape(architecture)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = models.build(architecture, shape, 10).state_dict()
        for name, tensor in weights.items():
            if "running_" in name:
                tensor.uniform_(0.5, 1.5)
    channels, height, width = shape
    spec = ModelSpec(
        architecture=architecture,
        channels=channels,
        height=height,
        width=width,
        padding=0,
        framing="stretch",
        polarity="as_is",
        scale=1 / 255,
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
        labels=tuple("0123456789"),
        weights_sha256=weights_sha256(weights),
        producer="lenetx test",
    )
    return Checkpoint(spec, weights, {}, {}, ())


class Known:
    """What the code of a network does, and what files of it do."""

    def __init__(self, network, shape):
        self.network, self.shape = network.eval(), shape
        self.usage = usage_of(network, shape)
        self.aliases = aliases(self.usage.tensors)
        own = {id(tensor): name for name, tensor in [*network.named_parameters(), *network.named_buffers()]}
        self.expression = of_tape(record(network, torch.zeros(2, *shape), own), self.aliases)

    def onnx(self, model):
        model = onnx.load_from_string(model) if isinstance(model, bytes) else model
        return of_onnx(model, self.aliases)

    def torchscript(self, data):
        return self._opened("net.torchscript", data)

    def pt2(self, data):
        return self._opened("net.pt2", data)

    def _opened(self, name, data):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            return open_artifact(path).expression(self.aliases)


@functools.cache
def known(architecture, shape=None):
    checkpoint = make_checkpoint(architecture, shape)
    return Known(Network(checkpoint).module, checkpoint.spec.input_shape)


@functools.cache
def exported(format_name, architecture, shape=None, *, batch="dynamic", **options):
    return get(format_name).export(Network(make_checkpoint(architecture, shape)), batch=batch, **options)


@pytest.fixture
def lenet5():
    return known("lenet5")


@pytest.fixture
def model():
    """The ONNX model of lenet5, to be changed."""
    return onnx.load_from_string(exported("onnx", "lenet5"))


@pytest.fixture
def records():
    """The records of the TorchScript archive of lenet5, to be changed."""
    return archive.unpack(exported("torchscript", "lenet5"))


@pytest.fixture
def benchmark_seconds():
    """The function that gives the least processor time of five runs."""

    def measure(run):
        times = []
        for _ in range(5):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
        return min(times)

    return measure
