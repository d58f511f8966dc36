"""ExecuTorch's program as other programs see it, what lenetx puts in it, and what it cannot express."""

import json
import sys

import numpy as np
import pytest
import torch
from torch import nn

import lenetx
from lenetx import formats
from lenetx.benchmark.configuration import EXECUTORCH
from lenetx.benchmark.plan import of_artifact
from lenetx.data import load
from lenetx.errors import ArtifactError, DeviceUnavailable, EngineMissing, InputError
from lenetx.formats import executorch as format_
from lenetx.formats.executorch import lower
from lenetx.formats.network import Network
from lenetx.proof import prove
from lenetx.weights.checkpoint import Checkpoint
from lenetx_runtime import Classifier
from lenetx_runtime.preprocess import normalise

pytest.importorskip("executorch")

FORMAT = "executorch"


TIMED = """
import sys
import numpy as np
from lenetx.benchmark.configuration import Configuration
from lenetx.benchmark.engines import prepare
from lenetx.formats.executorch.session import number_of_threads
open_it = prepare(Configuration.from_json(sys.argv[1]))
print(number_of_threads())
np.save(sys.argv[2], open_it()(np.load(sys.argv[3])))
"""


@pytest.fixture(scope="module")
def artifact(exported, tmp_path_factory):
    path = tmp_path_factory.mktemp("executorch") / "lenet5.pte"
    path.write_bytes(exported(FORMAT))
    return formats.open_artifact(path)


def test_plain_executorch_runs_the_file_up_to_the_stated_batch(artifact, checkpoint, capfd):
    from executorch.runtime import Runtime

    program = Runtime.get().load_program(artifact.artifact.path)
    forward = program.load_method("forward")
    inputs = torch.from_numpy(normalise(load("digits").test.framed(checkpoint.spec).images, checkpoint.spec))
    with torch.inference_mode():
        eager = checkpoint.module()(inputs)
    for rows in (1, 7, 64):
        assert torch.allclose(forward.execute([inputs[:rows].contiguous()])[0], eager[:rows], atol=1e-4)
    with pytest.raises(RuntimeError):
        forward.execute([inputs[:65].contiguous()])
    capfd.readouterr()
    assert program.load_method("get_max_batch_size").execute([]) == [64]
    spec = json.loads(program.load_method("lenetx_spec").execute([])[0])
    assert spec == json.loads(artifact.artifact.spec.to_json())
    assert spec["largest_batch"] == 64


def test_it_is_proven_and_every_weight_is_compared(artifact, reference, checkpoint):
    report = prove(artifact, reference)
    assert report.passed
    passed = {check.name for check in report.checks if check.status == "passed"}
    assert {"file", "weights", "numbers", "graph", "real inputs", "batch sizes"} <= passed
    assert artifact.structure[0].subject == "2 parts in XNNPACK"
    for name, array in artifact.weights.items():
        assert np.array_equal(array.view(np.uint32), checkpoint.state_dict[name].numpy().view(np.uint32))


def test_more_images_than_fit_a_call_are_split_and_threads_share_one_backend(artifact, checkpoint):
    from concurrent.futures import ThreadPoolExecutor

    batches = np.random.default_rng(0).normal(size=(4, 130, *checkpoint.spec.input_shape)).astype(np.float32)
    with torch.inference_mode():
        eager = [checkpoint.module()(torch.from_numpy(batch)).numpy() for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(artifact.backend.run, batches), eager, strict=True):
            assert np.allclose(found, expected, atol=1e-4)
    assert artifact.backend.run(batches[0][:0]).shape == (0, 10)
    with pytest.raises(ArtifactError, match=r"\(1, 1, 28, 28\): its input is dynamic × 1 × 32 × 32\.$"):
        artifact.backend.run(np.zeros((1, 1, 28, 28), np.float32))


@pytest.mark.slow
def test_it_is_timed_on_each_number_of_threads(artifact, python, tmp_path):
    """Threads are chosen before a process loads a program."""
    found = of_artifact(artifact.artifact.path, "", [1, 3])
    assert [(each.engine, each.words) for each in found] == [
        (EXECUTORCH, "ExecuTorch, 1 thread"),
        (EXECUTORCH, "ExecuTorch, 3 threads"),
    ]
    batch = np.random.default_rng(0).normal(size=(70, 1, 32, 32)).astype(np.float32)
    np.save(tmp_path / "batch.npy", batch)
    for each in found:
        done = python("-c", TIMED, each.to_json(), tmp_path / "logits.npy", tmp_path / "batch.npy")
        assert (done.stdout, done.stderr) == (f"{each.threads}\n", "")
        assert np.allclose(np.load(tmp_path / "logits.npy"), artifact.backend.run(batch), atol=1e-5)


def test_only_the_cpu_is_offered_and_the_runtimes_classifier_names_what_opens_it(artifact):
    path = artifact.artifact.path
    with pytest.raises(DeviceUnavailable, match=r"cuda was requested; ExecuTorch runs on the CPU here\."):
        formats.open_artifact(path, device="cuda")
    with pytest.raises(ArtifactError, match=r"lenetx\.classifier, of the package lenetx, runs .* and \.pte"):
        Classifier(path).predict(np.zeros((28, 28), np.uint8))


def test_without_the_engine_one_sentence_says_what_to_install(artifact, checkpoint, monkeypatch):
    monkeypatch.setitem(sys.modules, "executorch", None)
    for attempt in (
        lambda: formats.open_artifact(artifact.artifact.path),
        lambda: formats.export(FORMAT, Network(checkpoint)),
    ):
        with pytest.raises(EngineMissing, match=r"^ExecuTorch is not installed: run 'pip install executorch'\.$") as it:
            attempt()
        assert it.value.exit_code == 3


@pytest.mark.slow
def test_a_fixed_batch_is_held_to(exported, checkpoint, opened):
    opened = opened(exported(FORMAT, batch=3))
    assert opened.artifact.spec.largest_batch is None
    assert opened.backend.run(np.zeros((3, *checkpoint.spec.input_shape), np.float32)).shape == (3, 10)
    with pytest.raises(ArtifactError, match=r"ExecuTorch cannot run the model on \(2, 1, 32, 32\): its input is 3 × 1"):
        opened.backend.run(np.zeros((2, *checkpoint.spec.input_shape), np.float32))


@pytest.mark.slow
def test_the_largest_batch_can_be_chosen(exported, opened):
    assert opened(exported(FORMAT, largest_batch=5)).artifact.spec.largest_batch == 5


@pytest.mark.parametrize(
    ("batch", "most", "words"),
    [
        ("dynamic", 0, r"The largest batch is 0, not a number from 1 to 1,024\."),
        ("dynamic", 1025, "The largest batch is 1025, not"),
        (3, 64, "is for dynamic batches only; this one is fixed to 3"),
        (5, None, "A batch of 5 is too large for ExecuTorch, which reserves its memory"),
    ],
)
def test_a_batch_that_cannot_be_is_refused(checkpoint, monkeypatch, batch, most, words):
    monkeypatch.setattr(format_, "_MOST_NUMBERS", 4 * 1024)
    with pytest.raises(InputError, match=words):
        format_.export(Network(checkpoint), batch=batch, largest_batch=most)


def test_another_format_has_no_largest_batch(checkpoint, tmp_path):
    with pytest.raises(InputError, match="largest_batch applies only to executorch"):
        lenetx.export(checkpoint, ["onnx"], folder=tmp_path, largest_batch=5)


def test_a_precision_is_refused(checkpoint):
    with pytest.raises(
        InputError, match=r"^executorch files are float32 or int8 only; float16 is available as: onnx, openvino\.$"
    ):
        formats.export(FORMAT, Network(checkpoint), options={"precision": "float16"})


@pytest.mark.slow
def test_weights_of_another_checkpoint_fail_the_proof(opened, other_checkpoint, reference):
    report = prove(opened(formats.export(FORMAT, Network(other_checkpoint))), reference)
    assert {"weights", "real inputs"} <= {check.name for check in report.failures}


@pytest.mark.slow
def test_a_fault_of_executorch_is_seen_by_the_proof(opened, checkpoint, reference, monkeypatch):
    """Export and opening share it, so the file opens; its logits are ExecuTorch's own."""
    load_ = lower.load

    def faulty(records):
        exported = load_(records)
        for node in exported.graph.nodes:
            if node.target == torch.ops.aten.relu.default:
                node.target = torch.ops.aten.hardswish.default
        return exported

    monkeypatch.setattr(lower, "load", faulty)
    report = prove(opened(formats.export(FORMAT, Network(checkpoint))), reference)
    assert {"random inputs", "real inputs"} <= {check.name for check in report.failures}


class Own(nn.Module):
    """One operator between two layers."""

    def __init__(self, operator):
        super().__init__()
        self.operator, self.conv, self.fc = operator, nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4 * 144, 10)

    def forward(self, x):
        return self.fc(self.operator(self.conv(x)).flatten(1))


def _own(operator):
    torch.manual_seed(0)
    return Checkpoint.of(Own(operator).eval(), input_shape=(1, 12, 12), labels=tuple("0123456789"))


@pytest.mark.slow
def test_what_xnnpack_does_not_take_runs_in_kernels_of_executorch(opened):
    checkpoint = _own(lambda x: x.erf().cumsum(1))
    artifact = opened(formats.export(FORMAT, Network(checkpoint)))
    assert artifact.structure[0].subject == "2 parts in XNNPACK; cumsum, erf in its own kernels"
    inputs = torch.randn(70, 1, 12, 12)
    with torch.inference_mode():
        assert np.allclose(artifact.backend.run(inputs.numpy()), checkpoint.module()(inputs).numpy(), atol=1e-5)


def _circular(x):
    return nn.functional.pad(x, (1, 1, 1, 1), mode="circular")[:, :, 1:-1, 1:-1]


@pytest.mark.slow
def test_the_number_of_images_of_the_example_is_not_the_only_one(opened, monkeypatch):
    """As it is if the tools check their work: they run some operators on the example."""
    checkpoint = _own(_circular)
    backend = opened(formats.export(FORMAT, Network(checkpoint))).backend
    inputs = torch.randn(64, 1, 12, 12)
    with torch.inference_mode():
        assert np.allclose(backend.run(inputs.numpy()), checkpoint.module()(inputs).numpy(), atol=1e-5)
    monkeypatch.setattr(lower, "_ANY_NUMBER", {})
    with pytest.raises(InputError, match=r"64 images per call: its tools fix their number to 2\."):
        formats.export(FORMAT, Network(checkpoint))


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        (torch.lgamma, r"its runtime has no kernel for lgamma\.$"),
        pytest.param(nn.functional.rrelu, r"its tools do not lower rrelu\w*\.$", marks=pytest.mark.slow),
    ],
)
def test_an_operator_that_cannot_be_lowered_is_named(operator, words):
    with pytest.raises(InputError, match=f"^The network cannot be written for ExecuTorch.*{words}"):
        formats.export(FORMAT, Network(_own(operator)))
