"""ExecuTorch's program as other programs see it, what follows it in the file, and whose files are refused."""

import hashlib
import json
import struct
import sys

import numpy as np
import pytest
import torch
from torch import nn

import lenetx
from lenetx import formats
from lenetx.benchmark.configuration import EXECUTORCH
from lenetx.benchmark.plan import of_artifact
from lenetx.data import archive, load
from lenetx.errors import ArtifactError, DeviceUnavailable, EngineMissing, InputError
from lenetx.formats import executorch as format_
from lenetx.formats.executorch import contents, lower
from lenetx.formats.network import Network
from lenetx.proof import prove
from lenetx.weights.checkpoint import Checkpoint
from lenetx_runtime import Classifier
from lenetx_runtime.preprocess import normalise

pytest.importorskip("executorch")

FORMAT = "executorch"
PLACES, PROGRAM = "places.json", "program.json"


@pytest.fixture(scope="module")
def parts(exported):
    """The lowered program of a trained lenet5, and the records that follow it."""
    data = exported(FORMAT)
    _, _, _, size, start, more = struct.unpack_from("<4s4sIQQQ", data, 4)
    end = max(size, start + more)
    return data[:end], archive.unpack(data[end:])


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


def test_weights_that_the_program_holds_are_not_stored_again(parts):
    assert set(parts[1]) == {PROGRAM, PLACES}


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
def test_it_is_timed_on_each_number_of_threads(artifact):
    found = of_artifact(artifact.artifact.path, "", [1, 2])
    assert [(each.engine, each.words) for each in found] == [
        (EXECUTORCH, "ExecuTorch, 1 thread"),
        (EXECUTORCH, "ExecuTorch, 2 threads"),
    ]


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
    with pytest.raises(InputError, match=r"^executorch files are float32 only; float16 is available as: onnx\.$"):
        formats.export(FORMAT, Network(checkpoint), options={"precision": "float16"})


def _listing(**changes):
    def change(program, records):
        listing = json.loads(records[PLACES]) | {"sha256": hashlib.sha256(program).hexdigest()}
        listing |= {name: value(listing[name]) for name, value in changes.items()}
        return program, {**records, PLACES: json.dumps(listing, sort_keys=True, separators=(",", ":")).encode()}

    return change


def _program(change):
    return lambda program, records: _listing()(change(program), records)


def _document(old, new):
    def change(program, records):
        assert old in records[PROGRAM]
        return program, {**records, PROGRAM: records[PROGRAM].replace(old, new, 1)}

    return change


def _first(place):
    return lambda found: [place, *found[1:]]


def _with(**fields):
    """Change the spec in the program; its length stays."""

    def change(program):
        for name, (old, new) in fields.items():
            old, new = f'"{name}":{old}'.encode(), f'"{name}":{new}'.encode()
            assert program.count(old) == 1
            assert len(old) == len(new)
            program = program.replace(old, new)
        return program

    return _program(change)


EARLY = {
    "nothing behind it": (lambda program, _: (program, None), "no program of lenetx follows its own"),
    "another digest": (_listing(sha256=lambda _: "0" * 64), "was not written by lenetx, or it is damaged"),
    "no list": (lambda program, records: (program, {PROGRAM: records[PROGRAM]}), "has no lenetx spec"),
    "a list of another kind": (lambda program, records: (program, {**records, PLACES: b"[]"}), "has no lenetx spec"),
    "a doubled key": (
        lambda program, records: (program, {**records, PLACES: b'{"spec":[0,9],' + records[PLACES][1:]}),
        "has no lenetx spec",
    ),
    "no document": (lambda program, records: (program, {PLACES: records[PLACES]}), "has no lenetx spec"),
    "a spec elsewhere": (_listing(spec=lambda _: [0, 300]), "spec|not made by lenetx"),
    "a spec before the start": (_listing(spec=lambda at: [-at[0], at[1]]), "has no lenetx spec"),
    "fewer tensors": (_listing(tensors=lambda found: found[:-1]), "another form"),
    "a tensor behind the end": (_listing(tensors=_first([2**40, [0, 1, 2, 3]])), "not that of a network"),
    "a tensor before the start": (_listing(tensors=_first([-8, [0, 1, 2, 3]])), "is not a whole number"),
    "axes in another order": (_listing(tensors=_first([0, [3, 2, 1, 0]])), "in an unknown order"),
    "axes without an end": (_listing(tensors=_first([0, [0, 0, 0, 0]])), "in an unknown order"),
    "a tensor that is not there": (_listing(tensors=_first(None)), "another form"),
    "a huge tensor": (_document(b'"as_int":120', b'"as_int":12000000000'), "less numbers than it lists|other size"),
    "an operator with side effects": (_document(b"aten.relu.default", b"aten.from_file.default"), "lenetx wrote"),
    "no largest batch": (_with(largest_batch=("64", " 0")), "largest_batch is 0"),
    "a largest batch of a fixed one": (_with(batch=('"dynamic"', " " * 8 + "8")), "with a dynamic batch"),
    "a larger input": (_with(height=("32", "99")), "input_shape is"),
}


@pytest.mark.parametrize("name", EARLY)
def test_a_file_that_lenetx_would_not_write_is_refused_before_it_is_lowered(parts, opened, monkeypatch, name):
    def untouched(*_):
        raise AssertionError("it was lowered")

    monkeypatch.setattr(lower, "load", untouched)
    monkeypatch.setattr("lenetx.formats.pt2.reopen.load", untouched)
    change, words = EARLY[name]
    program, records = change(*parts)
    with pytest.raises(ArtifactError, match=words):
        opened(program + (b"" if records is None else archive.pack(records)))


LATE = {
    "another weight": lambda program, records: _listing()(program[:-7] + b"\0" * 7, records),
    "another instruction": lambda program, records: _listing()(
        program.replace(b"aten::sym_size", b"aten::sym_szie"), records
    ),
    "another operator": _document(b"aten.relu.default", b"aten.bernoulli.default"),
    "another activation": _document(b"aten.relu.default", b"aten.sigmoid.default"),
    "the same in other words": lambda program, records: (
        program,
        {**records, PLACES: json.dumps(json.loads(records[PLACES])).encode()},
    ),
    "another record": lambda program, records: (program, {**records, "more": b""}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LATE)
def test_a_file_that_differs_from_what_is_lowered_again_is_refused(parts, opened, monkeypatch, name):
    """ExecuTorch does not see it."""
    monkeypatch.setattr(format_, "ExecutorchBackend", None)
    program, records = LATE[name](*parts)
    with pytest.raises(ArtifactError, match=r"It is not what ExecuTorch lowers of the program in it\."):
        opened(program + archive.pack(records))


@pytest.mark.slow
def test_another_version_of_executorch_is_named(parts, opened):
    program, records = _listing(executorch=lambda _: "1.4.0")(*parts)
    with pytest.raises(ArtifactError, match=r"ExecuTorch 1\.4\.0 wrote it, and .* lowers it differently"):
        opened(program + archive.pack(records))


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


def test_a_program_of_another_tool_is_not_one_of_ours(parts):
    assert contents.recognises(parts[0] + archive.pack(parts[1]))
    assert not contents.recognises(parts[0])
    assert not contents.recognises(b"")
