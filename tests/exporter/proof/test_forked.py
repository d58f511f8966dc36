"""Engines that end their process are asked in one of their own: ours goes on and says what happened."""

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lenetx.formats.artifact import Artifact, OpenedArtifact, Run
from lenetx.proof import forked
from lenetx.proof.batch_axis import _empty
from lenetx.proof.case import Case
from lenetx.proof.prove import prove

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


class Backend:
    device = "cpu"

    def __init__(self, run):
        self.run = run


def logits(batch):
    return np.zeros((len(batch), 10), np.float32)


def dies_of(fatal, number=signal.SIGSEGV):
    return lambda batch: os.kill(os.getpid(), number) if len(batch) == fatal else logits(batch)


def refuses(batch):
    if not len(batch):
        raise ValueError("there is no image")
    return logits(batch)


@pytest.fixture
def opened(checkpoint):
    """The function that opens an artifact of some engine."""

    def opened(run, device="cpu"):
        backend = Backend(run)
        backend.device = device
        about = Artifact("onnx", "float32", Path("some.onnx"), "", 0, checkpoint.spec)
        return OpenedArtifact(about, backend, (), runs=(Run("optimisation all, 1 thread", lambda: backend),))

    return opened


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (logits, "A batch of 0 gives logits of shape [0, 10]."),
        (refuses, "A batch of 0 is rejected: ValueError: there is no image"),
        (
            dies_of(0, signal.SIGABRT),
            "A batch of 0 crashes the process that runs it (SIGABRT), so no program may request it;",
        ),
        (
            lambda batch: logits(batch) if len(batch) else os._exit(3),
            "A batch of 0 crashes the process that runs it (with",
        ),
    ],
)
def test_what_becomes_of_an_empty_batch_is_said_and_is_no_failure(opened, capfd, run, words):
    found = opened(run)
    rows = SimpleNamespace(exact=np.zeros((1, 10)), inputs=np.zeros((1, *found.artifact.spec.input_shape)))
    case = Case(found, None, forked=forked.run_forked(found, (1, 0)))
    problem, note = _empty(case, rows)
    assert problem is None
    assert note.startswith(words)
    assert capfd.readouterr() == ("", "")


def test_an_empty_batch_with_other_logits_fails(opened):
    found = opened(lambda batch: np.zeros((max(1, len(batch)), 10), np.float32))
    rows = SimpleNamespace(exact=np.zeros((1, 10)), inputs=np.zeros((1, *found.artifact.spec.input_shape)))
    case = Case(found, None, forked=forked.run_forked(found, (1, 0)))
    assert _empty(case, rows)[0] == "A batch of 0 gives logits of shape [1, 10] instead of [0, 10]."


def test_an_artifact_that_ends_its_process_fails_and_nothing_else_is_asked(opened, reference):
    report = prove(opened(dies_of(1)), reference)
    (check,) = report.checks
    assert (check.name, check.group, check.status) == ("batch sizes", "batch axis", "failed")
    assert check.detail == "Running it crashes the process (SIGSEGV); no other check was run."
    assert "NOT proven" in report.conclusion


@pytest.mark.parametrize("device", ["cuda:0", "cpu"])
def test_what_cannot_be_asked_so_is_not_asked(opened, monkeypatch, device):
    monkeypatch.setattr(forked, "_SECONDS", 0.05)
    found = opened(lambda _: time.sleep(3600), device)
    began = time.monotonic()
    assert forked.run_forked(found, (1, 0)) is None
    assert time.monotonic() - began < 60
    case = Case(found, None)
    assert "was not tried" in _empty(case, SimpleNamespace(exact=np.zeros((1, 10))))[1]
