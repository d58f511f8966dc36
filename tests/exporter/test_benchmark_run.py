"""Real processes: what they answer, how they fail, and one benchmark from end to end."""

import dataclasses
import importlib.util
import os
import shutil
import signal

import pytest
import torch

import lenetx
from lenetx.benchmark import run as benchmark
from lenetx.benchmark.configuration import OWN
from lenetx.benchmark.plan import of_artifact
from lenetx.benchmark.process import EngineFailed, Process
from lenetx.benchmark.rounds import Pace, take_turns
from lenetx.errors import ArtifactError, EngineMissing, InputError

NETWORK = """
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes=10, width=2):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, width, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36 * width, num_classes))

    def forward(self, image):
        return self.body(image)
"""
TINY = Pace(2, 0.001, 2, 1)
pytestmark = pytest.mark.usefixtures("tiny", "workspace")


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(benchmark, "QUICK", TINY)


def _network(folder):
    spec = importlib.util.spec_from_file_location("net", folder / "net.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Net(width=3)


@pytest.fixture
def asked(workspace):
    return of_artifact(workspace / "lenet5.onnx", "", [1])[0]


def test_a_benchmark_from_end_to_end(workspace):
    steps = []
    found = lenetx.bench(quick=True, threads=[1], batches=[1, 3], on_progress=steps.append)
    assert [(row.subject.artifact, row.subject.engine, row.batch) for row in found.rows] == [
        ("lenet5.pt", "eager torch, 1 thread", 1),
        ("lenet5.pt", "eager torch, 1 thread", 3),
        ("lenet5.onnx", "onnxruntime, 1 thread", 1),
        ("lenet5.onnx", "onnxruntime, 1 thread", 3),
        ("lenet5.torchscript", "torch, 1 thread", 1),
        ("lenet5.torchscript", "torch, 1 thread", 3),
    ]
    for row in found.rows:
        assert row.problem == ""
        assert len(row.medians) == 2
        assert 0 < row.p50.low <= row.p50.value <= row.p50.high
        assert row.subject.flips == 0
        assert row.subject.accuracy == found.rows[0].subject.accuracy > 0.9
        assert row.subject.size_bytes == (workspace / row.subject.artifact).stat().st_size
    eager, onnx = found.subjects[:2]
    assert onnx.peak_bytes < eager.peak_bytes  # its process has no torch
    assert found.images == "360 test images of digits"
    assert "lenet5.onnx" in found.recommended["latency"]
    assert steps[-1].done == steps[-1].total - 1
    assert {each.words for each in steps} >= {"reading lenet5.onnx", "warm-up", "round 2 of 2"}


@pytest.mark.slow
def test_a_file_with_a_fixed_batch_size_is_timed_at_that_size(checkpoint, tmp_path):
    lenetx.save(checkpoint, tmp_path / "fixed.pt")
    lenetx.export(tmp_path / "fixed.pt", ["onnx"], batch=7)
    found = lenetx.bench([tmp_path / "fixed.onnx"], quick=True, threads=[1], batches=[1])
    assert [(row.subject.artifact, row.batch, row.problem) for row in found.rows] == [
        ("fixed.pt", 1, ""),
        ("fixed.pt", 7, ""),
        ("fixed.onnx", 7, ""),
    ]
    assert "fixed.onnx accepts only batches of 7: it is timed at that size." in found.notes
    assert found.rows[-1].subject.flips == 0  # 360 images are no multiple of 7


def test_an_artifact_without_checkpoint_is_timed_without_accuracy(workspace):
    shutil.copy(workspace / "lenet5.onnx", "alone.onnx")
    (row,) = lenetx.bench(["alone.onnx"], quick=True, threads=[1], batches=[1]).rows
    assert row.p50 is not None
    assert (row.subject.accuracy, row.subject.flips, row.pareto) == (None, None, None)


def test_a_damaged_artifact_is_a_row_beside_others_and_an_error_alone(workspace):
    (workspace / "lenet5.torchscript").write_bytes(b"no archive")
    found = lenetx.bench(quick=True, threads=[1], batches=[1])
    assert found.rows[-1].problem.startswith("'artifacts/lenet5.torchscript' cannot be used.")
    assert isinstance(found.errors[0], ArtifactError)
    with pytest.raises(ArtifactError):
        lenetx.bench([workspace / "lenet5.torchscript"], quick=True)


@pytest.mark.slow
def test_a_missing_engine_is_a_row_with_the_line_to_install_it(monkeypatch):
    def missing(path, *_):
        if path.suffix == ".onnx":
            raise EngineMissing("No inference engine is installed: run 'pip install onnxruntime' for CPU.")
        return of_artifact(path, *_)

    monkeypatch.setattr(benchmark, "of_artifact", missing)
    found = lenetx.bench(quick=True, threads=[1], batches=[1])
    (failed,) = (row for row in found.rows if row.problem)
    assert (failed.subject.artifact, failed.subject.engine) == ("lenet5.onnx", "engine missing")
    assert "pip install onnxruntime" in failed.problem


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"batches": [0]}, "The batch size is 0; it must be 1 to 10,000."),
        ({"threads": [2000]}, "The number of threads is 2000; it must be 1 to 1,024."),
        ({"artifacts": ["none.onnx"]}, "There is no artifact 'none.onnx'."),
    ],
)
def test_bad_arguments_are_refused_before_the_work(given, words):
    with pytest.raises(InputError, match=words):
        lenetx.bench(**given)


def test_an_engine_that_cannot_open_the_file_says_why(asked, tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with Process(dataclasses.replace(asked, path=str(tmp_path / "bad.onnx"))) as process:
        with pytest.raises(EngineFailed, match="onnxruntime cannot open"):
            process.ready()
        assert process.is_dead


def test_a_process_that_dies_fails_the_batch_size_that_killed_it_and_no_other(asked, monkeypatch):
    ask = Process.ask

    def crash(self, kind, **request):
        if request.get("batch") == 3 and self.asked.name == "doomed":
            os.kill(self._child.pid, signal.SIGKILL)
        return ask(self, kind, **request)

    monkeypatch.setattr(Process, "ask", crash)
    dead, alive = take_turns([dataclasses.replace(asked, name="doomed"), asked], (1, 3), TINY, {})
    assert dead.problems == {3: "Its process ended with signal 9."}
    assert [len(rounds) for rounds in dead.times.values()] == [2]
    assert sorted(alive.times) == [1, 3]
    assert [len(rounds) for rounds in alive.times.values()] == [2, 2]


@pytest.mark.slow
def test_a_batch_size_that_an_engine_rejects_fails_alone(checkpoint, tmp_path):
    lenetx.save(checkpoint, tmp_path / "fixed.pt")
    lenetx.export(tmp_path / "fixed.pt", ["onnx"], batch=1)
    (fixed,) = of_artifact(tmp_path / "fixed.onnx", "", [1])
    (found,) = take_turns([dataclasses.replace(fixed, batch=None)], (1, 4), TINY, {})
    assert list(found.times) == [1]
    assert "onnxruntime cannot run the model on (4, 1, 32, 32)" in found.problems[4]


def test_an_engine_without_a_short_way_is_opened_by_its_format(asked):
    own = dataclasses.replace(asked, engine=OWN, threads=None, run="optimisation all, 1 thread")
    (found,) = take_turns([own], (1,), TINY, {})
    assert (found.problems, list(found.times)) == ({}, [1])
    assert own.words == "optimisation all, 1 thread"


@pytest.mark.slow
def test_weights_of_a_custom_network_run_in_eager(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NETWORK)
    torch.save(_network(tmp_path).state_dict(), "net.pth")
    options = lenetx.WeightsOptions("net.py:Net", {"width": 3}, lenetx.Statement.of_texts(input_size="8", channels=1))
    lenetx.export(lenetx.load_weights("net.pth", weights_options=options), ["onnx"], folder=".", name="net")
    found = lenetx.bench(["net.onnx"], quick=True, threads=[1], batches=[1], weights_options=options)
    assert [(row.subject.artifact, row.problem) for row in found.rows] == [("net.pth", ""), ("net.onnx", "")]


def test_what_other_modules_print_does_not_disturb_the_answers(asked, monkeypatch, tmp_path):
    """Before the process can prevent it, as modules do that Python imports when it starts."""
    (tmp_path / "sitecustomize.py").write_text("print('noise')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Process(asked) as process:
        assert process.ready()["load"] > 0
        assert process.ask("time", batch=1, seconds=0, least=3)[0] > 0
