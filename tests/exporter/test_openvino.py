"""OpenVINO's archive as other programs see it, what lenetx writes in it, and whose archives are refused."""

import io
import sys
import zipfile

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

import lenetx
from lenetx import formats
from lenetx.benchmark.engines import prepare
from lenetx.benchmark.plan import of_artifact
from lenetx.data import load
from lenetx.errors import ArtifactError, DeviceUnavailable, EngineMissing, InputError
from lenetx.formats.network import Network
from lenetx.formats.openvino import layers, session
from lenetx.proof import prove
from lenetx.weights.checkpoint import Checkpoint
from lenetx_runtime.preprocess import normalise

openvino = pytest.importorskip("openvino")

PLAIN = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY"}
"""What the documents tell users of plain OpenVINO to set."""
FORMAT, GRAPH = "openvino", "extra/graph.onnx"


@pytest.mark.parametrize(
    "name", ["lenet5", *(pytest.param(f"lenet5-{x}", marks=pytest.mark.slow) for x in ("3x3", "1998"))]
)
def test_plain_openvino_runs_the_unzipped_file_and_gives_eager_answers(exported, checkpoints, tmp_path, name):
    checkpoint = checkpoints[name]
    with zipfile.ZipFile(io.BytesIO(exported("openvino", name))) as file:
        assert {entry.compress_type for entry in file.infolist()} == {zipfile.ZIP_STORED}
        file.extractall(tmp_path)
    model = openvino.Core().compile_model(tmp_path / "archive" / "model.xml", "CPU", PLAIN)
    inputs = normalise(load("digits").test.framed(checkpoint.spec).images, checkpoint.spec)
    with torch.inference_mode():
        eager = checkpoint.module()(torch.from_numpy(inputs)).numpy()
    for rows in (1, 7, len(inputs)):
        assert np.allclose(model({"image": inputs[:rows]})["logits"], eager[:rows], atol=1e-4)


def test_it_is_proven_and_every_weight_is_compared(exported, opened, reference, checkpoint):
    artifact = opened(exported("openvino"))
    report = prove(artifact, reference)
    assert report.passed
    passed = {check.name for check in report.checks if check.status == "passed"}
    assert {"weights", "graph", "layers", "engine's form", "real inputs", "1 thread"} <= passed
    assert artifact.matches_new_export(reference.network)
    for name, array in artifact.weights.items():
        assert np.array_equal(array.view(np.uint32), checkpoint.state_dict[name].numpy().view(np.uint32))


def test_weights_of_another_checkpoint_fail_the_proof(opened, other_checkpoint, reference):
    report = prove(opened(formats.export("openvino", Network(other_checkpoint))), reference)
    assert {"weights", "real inputs", "layers"} <= {check.name for check in report.failures}


def test_a_fixed_batch_is_held_to_and_only_the_cpu_is_offered(exported, checkpoint, opened, tmp_path):
    artifact = opened(exported("openvino", batch=3))
    assert artifact.backend.run(np.zeros((3, *checkpoint.spec.input_shape), np.float32)).shape == (3, 10)
    with pytest.raises(ArtifactError, match=r"OpenVINO cannot run the model on \(2, 1, 32, 32\)"):
        artifact.backend.run(np.zeros((2, *checkpoint.spec.input_shape), np.float32))
    with pytest.raises(DeviceUnavailable, match=r"cuda was requested; OpenVINO runs on the CPU here\."):
        formats.open_artifact(tmp_path / "changed.openvino", device="cuda")


def test_the_runtimes_classifier_names_what_opens_it(exported, tmp_path, checkpoint):
    path = tmp_path / "net.openvino"
    path.write_bytes(exported("openvino"))
    assert lenetx.classifier(path).spec == checkpoint.spec
    from lenetx_runtime import Classifier

    with pytest.raises(ArtifactError, match=r"lenetx\.classifier, of the package lenetx, runs .* \.openvino and \.pte"):
        Classifier(path).predict(np.zeros((28, 28), np.uint8))


def test_without_the_engine_one_sentence_says_what_to_install(exported, checkpoint, opened, monkeypatch):
    data = exported("openvino")
    monkeypatch.setitem(sys.modules, "openvino", None)
    for attempt in (lambda: opened(data), lambda: formats.export("openvino", Network(checkpoint))):
        with pytest.raises(EngineMissing, match=r"^OpenVINO is not installed: run 'pip install openvino'\.$") as caught:
            attempt()
        assert caught.value.exit_code == 3


def test_nothing_that_could_send_telemetry_is_imported(python):
    done = python(
        "-c",
        "import sys; from lenetx.formats.openvino.session import import_engine; import_engine();"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry')])",
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_it_is_timed_on_each_number_of_threads(exported, opened, tmp_path, checkpoint):
    expected = opened(exported("openvino")).backend
    found = of_artifact(tmp_path / "changed.openvino", "", [1, 2])
    assert [each.words for each in found] == ["OpenVINO, 1 thread", "OpenVINO, 2 threads"]
    batch = np.random.default_rng(0).normal(size=(2, *checkpoint.spec.input_shape)).astype(np.float32)
    for each in found:
        assert np.allclose(prepare(each)()(batch), expected.run(batch), atol=1e-5)


def test_a_precision_is_refused(checkpoint):
    with pytest.raises(
        InputError, match=r"^openvino files are float32 or float16 only; int8 is available as: onnx, executorch, c\.$"
    ):
        formats.export("openvino", Network(checkpoint), options={"precision": "int8"})


def _replaced(name, old, new):
    def change(records):
        assert old in records[name]
        return {**records, name: records[name].replace(old, new, 1)}

    return change


def _graph(change):
    def changed(records):
        model = onnx.load_from_string(records[GRAPH])
        change(model.graph)
        return {**records, GRAPH: model.SerializeToString(deterministic=True)}

    return changed


XML = "model.xml"
CHANGES = {
    "another attribute": (
        _replaced(XML, b'strides="1, 1"', b'strides="2, 2"'),
        r"never writes for its graph: model\.xml",
    ),
    "another layer": (_replaced(XML, b'type="ReLU"', b'type="Tanh"'), r"never writes for its graph: model\.xml"),
    "an unknown layer": (_replaced(XML, b'type="ReLU"', b'type="Loop"'), r"never writes for its graph: model\.xml"),
    "an entity": (
        _replaced(XML, b"<net ", b"<!DOCTYPE net [<!ENTITY a SYSTEM 'file:///etc/hostname'>]><net "),
        r"never writes for its graph: model\.xml",
    ),
    "another weight's place": (
        _replaced(XML, b'offset="0"', b'offset="64"'),
        r"never writes for its graph: model\.xml",
    ),
    "more numbers": (lambda old: {**old, "model.bin": old["model.bin"] + b"\0"}, r"for its graph: model\.bin"),
    "a number between": (_replaced("model.bin", bytes(40), bytes(39) + b"\1"), r"for its graph: model\.bin"),
    "fewer numbers": (lambda old: {**old, "model.bin": old["model.bin"][:-4096]}, "data that does not match its shape"),
    "an axis that would copy the numbers again": (
        _graph(lambda graph: [graph.initializer.add(name=f"more {at}", data_type=1, dims=[-1]) for at in range(9)]),
        "lacks a readable graph",
    ),
    "another record": (lambda old: {**old, "plugins.xml": b""}, r"for its graph: plugins\.xml"),
    "no graph": (lambda old: {name: old[name] for name in old if name != GRAPH}, "lacks a readable graph"),
    "no spec": (lambda old: {name: old[name] for name in old if name != "extra/lenetx.json"}, "has no lenetx spec"),
    "a graph of another operator": (_graph(lambda graph: setattr(graph.node[2], "op_type", "Tanh")), r"model\.xml"),
    "a graph that cannot be written": (
        _graph(lambda graph: setattr(graph.node[2], "op_type", "Sin")),
        r"none that lenetx writes\. .*no layer for Sin",
    ),
    "strides of zero": (_graph(lambda graph: graph.node[0].attribute.add(name="strides", type=7, ints=[0, 0])), "is 0"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_archive_of_other_records_is_refused(records, opened, name):
    change, words = CHANGES[name]
    with pytest.raises(ArtifactError, match=words):
        opened(change(records))


def test_an_archive_with_a_doubled_record_or_trailing_data_is_refused(exported, records, opened):
    data = exported("openvino")
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("archive/model.xml", records["model.xml"])
    for changed in (buffer.getvalue(), data + b"\0", data[:-1], data[: len(data) // 2]):
        with pytest.raises(ArtifactError):
            opened(changed)


def test_one_bit_of_a_weight_is_seen_by_the_proof(records, opened, reference):
    """In an archive whose checksums are right."""
    numbers = bytearray(records["model.bin"])
    numbers[1] ^= 1
    report = prove(opened({**records, "model.bin": bytes(numbers)}), reference)
    assert report.failures[0].name == "weights"


def test_a_wrong_translation_is_seen_by_the_proof(opened, checkpoint, reference, monkeypatch):
    """Export and opening share it, so the file opens; its logits are OpenVINO's own."""
    monkeypatch.setitem(layers._PLAIN, "Relu", ("HSwish", 4, {}))
    report = prove(opened(formats.export("openvino", Network(checkpoint))), reference)
    assert {"random inputs", "real inputs", "1 thread"} <= {check.name for check in report.failures}


class Operators(nn.Module):
    """Layers that the built-in networks lack."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False),
            nn.LeakyReLU(0.3),
            nn.ReflectionPad2d((0, 1, 2, 1)),
            nn.Conv2d(8, 8, 3, groups=8, dilation=2, stride=(1, 2)),
            nn.BatchNorm2d(8),
            nn.AvgPool2d(3, 1, padding=1),
            nn.AvgPool2d(2, 1, padding=1, count_include_pad=False),
            nn.Hardswish(),
            nn.ELU(0.7),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.SELU(),
            nn.ReLU6(),
            nn.BatchNorm2d(8),
        )
        self.table = nn.Parameter(torch.randn(10, 10))
        self.register_buffer("order", torch.tensor([1, 0, 2, 3, 7, 6, 5, 4]))
        self.norm, self.fc = nn.LayerNorm(8), nn.Linear(24, 10)

    def forward(self, x):
        x = self.body(x)
        x = torch.maximum(x, -x.abs()).index_select(1, self.order)
        a, b = x[:, :4], functional.hardsigmoid(x[:, 4:])
        x = torch.cat([a * b, functional.pad(a - b, (0, 0, 0, 0)).tanh()], 1)
        pooled = self.norm(x.mean((2, 3)))
        most, left = x.amax((2, 3)), functional.gelu(x.transpose(1, 2).flatten(2).sum((1, 2)))[:, None]
        mixed = torch.cat([pooled, most.exp().log(), (functional.silu(most) + left).softmax(1)], 1)
        least = ((x.relu() + 1).sqrt() ** 2.5).amin((2, 3), keepdim=True).squeeze((2, 3))
        return (torch.minimum(self.fc(mixed), least[:, :1]) @ self.table).log_softmax(1)


def test_other_layers_compute_the_same(opened):
    torch.manual_seed(0)
    network = Operators().eval()
    checkpoint = Checkpoint.of(network, input_shape=(1, 12, 12), labels=tuple("0123456789"))
    artifact = opened(formats.export("openvino", Network(checkpoint)))
    assert {check.status for check in artifact.structure} == {"passed"}
    inputs = torch.randn(5, 1, 12, 12)
    with torch.inference_mode():
        assert np.allclose(artifact.backend.run(inputs.numpy()), network(inputs).numpy(), atol=1e-5)


class Sine(Operators):
    def forward(self, x):
        return super().forward(x.sin())


def test_an_operator_without_a_layer_is_named():
    checkpoint = Checkpoint.of(Sine().eval(), input_shape=(1, 12, 12), labels=tuple("0123456789"))
    with pytest.raises(
        InputError, match=r"^The network cannot be written as OpenVINO IR: lenetx has no layer for Sin\.$"
    ):
        formats.export("openvino", Network(checkpoint))


def test_threads_share_one_backend(exported, opened, checkpoint):
    from concurrent.futures import ThreadPoolExecutor

    backend = opened(exported("openvino")).backend
    batches = np.random.default_rng(0).normal(size=(16, 4, *checkpoint.spec.input_shape)).astype(np.float32)
    expected = [backend.run(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        assert all(map(np.array_equal, pool.map(backend.run, batches), expected))
    assert session.import_engine() is openvino
