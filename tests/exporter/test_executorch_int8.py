"""ExecuTorch's programs in int8: what they compute, for whom they can be written, and whose files are refused."""

import hashlib
import json

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

import lenetx
from lenetx import data, formats, models
from lenetx.data import archive
from lenetx.errors import ArtifactError, InputError
from lenetx.formats import executorch as format_
from lenetx.formats.executorch import contents, lower
from lenetx.formats.network import Network
from lenetx.quantization.calibration import Calibration, Sample, sample
from lenetx.quantization.rounding import measure, quantized
from lenetx_runtime.preprocess import normalise

pytest.importorskip("executorch")

FORMAT = "executorch"
GRAPH, PLACES = "graph.onnx", "places.json"


def _export(checkpoint, **options):
    images = sample(data.load("digits"), checkpoint.spec, images=100)
    return format_.export(Network(checkpoint), precision="int8", sample=images, **options)


@pytest.fixture(scope="module")
def file(checkpoint):
    return _export(checkpoint)


@pytest.fixture(scope="module")
def artifact(file, tmp_path_factory):
    path = tmp_path_factory.mktemp("executorch") / "lenet5.int8.pte"
    path.write_bytes(file)
    return formats.open_artifact(path)


@pytest.fixture(scope="module")
def inputs(checkpoint):
    return normalise(data.load("digits").test.framed(checkpoint.spec).images, checkpoint.spec)


def check_computes_its_graph(artifact, inputs):
    """Require the logits and all integers of the QDQ graph, in float64."""
    program = artifact.reduced.program
    right = measure(program, inputs)
    assert (np.abs(artifact.backend.run(inputs) - right.exact) <= right.limits).all()
    integers = artifact.reduced.integers(inputs)
    assert {name: values.dtype for name, values in integers.items()} == dict.fromkeys(program.quantized, np.int8)
    assert [layer.name for layer in quantized(program, inputs, integers) if layer.wrong] == []


def test_plain_executorch_gives_the_labels_of_eager_pytorch(artifact, checkpoint, inputs):
    """XNNPACK computes all of it, and its weights are int8 numbers in the program."""
    from executorch.runtime import Runtime

    program = Runtime.get().load_program(artifact.artifact.path)
    images = torch.from_numpy(inputs[:64])
    (logits,) = program.load_method("forward").execute([images])
    with torch.inference_mode():
        eager = checkpoint.module()(images)
    assert (logits.argmax(1) == eager.argmax(1)).float().mean() > 0.98
    assert json.loads(program.load_method("lenetx_spec").execute([])[0])["precision"] == "int8"
    assert artifact.structure[0].subject == "1 part in XNNPACK"
    for name in ("fc1.weight", "fc2.weight"):
        assert artifact.reduced.stored[name].numbers.tobytes() in artifact.artifact.path.read_bytes()
    assert artifact.artifact.size_bytes < 0.36 * 258_668


@pytest.mark.slow
def test_a_call_computes_the_graph_in_the_file(artifact, inputs):
    check_computes_its_graph(artifact, inputs[:130])


class Residual(nn.Module):
    """Padding, strides, dilation, groups, depthwise layers, sums, functions, joined channels, and a mean."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, 8, 3, padding=1, stride=2)
        self.b = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=2)
        self.c, self.d = nn.Conv2d(8, 8, 3, groups=8, padding=1), nn.Conv2d(16, 6, (3, 1))
        self.e = nn.Linear(6, 10)

    def forward(self, x):
        x = functional.max_pool2d(functional.leaky_relu(self.a(x), 0.1), 3, 1, 1)
        x = functional.relu6(x + self.b(x))
        x = torch.cat([torch.sigmoid(self.c(x)), torch.tanh(x) * 0.7], 1)
        return self.e(functional.adaptive_avg_pool2d(self.d(x), 1).flatten(1))


class Turned(nn.Module):
    """Matrices that are stored by their inputs, and moved axes."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 4, 3), nn.Parameter(torch.randn(784, 12) / 20)
        self.c = nn.Parameter(torch.randn(12, 10))

    def forward(self, x):
        return torch.relu(torch.relu(self.a(x)).permute(0, 2, 3, 1).flatten(1) @ self.b) @ self.c


class Wave(Turned):
    def forward(self, x):
        return super().forward(torch.sin(x))


def _own(kind, shape=(1, 16, 16)):
    """An untrained network, and images for its calibration."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        checkpoint = lenetx.Checkpoint.of(kind().eval(), input_shape=shape)
    inputs = np.random.default_rng(0).normal(size=(100, *shape)).astype(np.float32)
    return Network(checkpoint), Sample(Calibration("minmax", 100, "x", 0, "0" * 64), inputs)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet5-3x3", "lenet5-1998", "lenet5-bn", "lenet5-dropout"])
def test_every_built_in_network_computes_its_graph(opened, name):
    shape = models.input_shape(name)
    network, images = _own(lambda: models.build(name, shape, 10), shape)
    check_computes_its_graph(opened(format_.export(network, precision="int8", sample=images)), images.inputs[:70])


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Residual, Turned])
def test_custom_networks_compute_their_graph(opened, kind):
    network, images = _own(kind)
    check_computes_its_graph(opened(format_.export(network, precision="int8", sample=images)), images.inputs[:70])


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"batch": 3}, {"largest_batch": 1}])
def test_the_batch_can_be_fixed_or_bounded(checkpoint, opened, inputs, options):
    artifact = opened(_export(checkpoint, **options))
    spec = artifact.artifact.spec
    assert (spec.batch, spec.largest_batch) == (options.get("batch", "dynamic"), options.get("largest_batch"))
    check_computes_its_graph(artifact, inputs[:3])


@pytest.mark.slow
def test_the_same_weights_give_the_same_bytes(file, checkpoint):
    assert _export(checkpoint) == file


def test_weights_are_not_read_from_a_file_in_int8(artifact):
    with pytest.raises(ArtifactError, match="Its weights are int8: give the checkpoint that it was made from"):
        lenetx.load_weights(artifact.artifact.path)


def test_int8_needs_images(checkpoint):
    with pytest.raises(InputError, match="int8 needs calibration images: name a data set with --data"):
        format_.export(Network(checkpoint), precision="int8")


def test_an_operator_that_int8_lacks_is_named():
    network, images = _own(Wave)
    with pytest.raises(InputError, match=r"it has the operator Sin\. Export it in float32\.$"):
        format_.export(network, precision="int8", sample=images)


@pytest.fixture(scope="module")
def tail(file):
    """The lowered program, and the records that follow it."""
    end = contents._end(file)
    return file[:end], archive.unpack(file[end:])


def _listing(**changes):
    def change(records):
        listing = json.loads(records[PLACES])
        listing |= {name: value(listing[name]) for name, value in changes.items()}
        return {**records, PLACES: contents._json(listing)}

    return change


def _graph(change):
    def run(records):
        model = onnx.load_from_string(records[GRAPH])
        change(model)
        return {**records, GRAPH: model.SerializeToString(deterministic=True)}

    return run


def _dims(model):
    model.graph.initializer[2].dims[0] = 2**40


def _named_twice(model):
    model.graph.initializer[1].name = model.graph.initializer[0].name


def _other_operator(model):
    next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Sin"


HOSTILE = {
    "cut short": (lambda records: {**records, GRAPH: records[GRAPH][:-7]}, "lacks a readable graph"),
    "no graph": (lambda records: {PLACES: records[PLACES]}, "has no lenetx spec"),
    "the float32 program's name": (lambda r: {"program.json": r[GRAPH], PLACES: r[PLACES]}, "has no lenetx spec"),
    "fewer tensors": (_listing(tensors=lambda found: found[:-1]), "lacks a readable graph"),
    "a tensor that is not there": (_listing(tensors=lambda found: [None, *found[1:]]), "lacks a readable graph"),
    "a tensor behind the end": (_listing(tensors=lambda found: [[2**40, [0]], *found[1:]]), "lacks a readable graph"),
    "a huge tensor": (_graph(_dims), "lacks a readable graph"),
    "a name twice": (_graph(_named_twice), "Two of its tensors have one name"),
    "an operator without arithmetic": (_graph(_other_operator), "it has the operator Sin"),
    "another type": (_graph(lambda model: setattr(model.graph.initializer[2], "data_type", 10)), "readable graph"),
    "a field that lenetx never writes": (
        _graph(lambda model: model.graph.quantization_annotation.add()),
        "never writes",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_tail_that_lenetx_would_not_write_is_refused_before_it_is_lowered(tail, opened, monkeypatch, name):
    def untouched(*_, **__):
        raise AssertionError("it was lowered")

    monkeypatch.setattr(lower, "_exported", untouched)
    change, words = HOSTILE[name]
    program, records = tail
    with pytest.raises(ArtifactError, match=words):
        opened(program + archive.pack(change(records)))


def _other_activation(model):
    next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Sigmoid"


CHANGED = {
    "the program": lambda program, records: (program[:-40] + bytes([program[-40] ^ 1]) + program[-39:], records),
    "a weight beside it": lambda program, records: (
        program,
        {**records, "tensors/22": bytes([records["tensors/22"][0] ^ 1]) + records["tensors/22"][1:]},
    ),
    "the graph": lambda program, records: (
        program,
        _graph(_other_activation)(records),
    ),
    "a record more": lambda program, records: (program, {**records, "more": b""}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGED)
def test_a_byte_that_is_changed_is_found_by_lowering_again(tail, opened, monkeypatch, name):
    """ExecuTorch does not see the file."""
    monkeypatch.setattr(format_, "ExecutorchBackend", None)
    program, records = CHANGED[name](*tail)
    records = _listing(sha256=lambda _: hashlib.sha256(program).hexdigest())(records)
    with pytest.raises(ArtifactError, match=r"It is not what ExecuTorch lowers of the program in it\."):
        opened(program + archive.pack(records))


@pytest.mark.parametrize("place", [5000, -100, -5000])
def test_a_changed_byte_is_damage(file, opened, flipped, place):
    with pytest.raises(ArtifactError, match=r"damaged|Bad CRC-32|more than one folder"):
        opened(flipped(file, place % len(file), 3))
