"""Steps that are tried in a process of their own, and how it may die."""

import sys

import pytest

from lenetx_runtime import EngineMissing
from lenetx_runtime.doctor.trials import attempt

MODULE = """
import os, sys, time

def well():
    yield "one", None
    print("noise")
    os.write(1, b"more noise")
    yield "one", {"found": [1]}
    yield "two", None
    yield "two", {}

def hanging():
    yield "one", None
    yield "one", {}
    yield "two", None
    time.sleep(60)

def leaving():
    yield "one", None
    os._exit(5)

def torn():
    yield "one", None
    yield "one", {"found": 1}
    os.write(3, b'["two", {"fou')  # the first file that the new process has opened
    os._exit(6)

def killed():
    yield "one", None
    os.kill(os.getpid(), 9)

def faulty():
    yield "one", None
    raise ValueError("a fault: here")

def process():
    yield "process", None
    yield "process", {"number": os.getpid()}
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "trial_steps.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def test_outcomes_come_back_and_noise_does_not(capfd):
    assert attempt("trial_steps:well") == {"one": {"found": [1]}, "two": {}}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("function", "outcomes"),
    [
        ("leaving", {"one": {"died": "it ended the process with status 5"}}),
        ("killed", {"one": {"died": "it ended the process (SIGKILL)"}}),
        ("torn", {"one": {"found": 1}}),
        ("faulty", {"one": {"died": "it ended the process with status 1: ValueError: a fault: here"}}),
        pytest.param("hanging", {"one": {}, "two": {"died": "it did not end in 15 seconds"}}, marks=pytest.mark.slow),
    ],
)
def test_a_death_is_the_outcome_of_the_step_that_was_tried(function, outcomes):
    assert attempt(f"trial_steps:{function}", seconds=15 if function == "hanging" else 250) == outcomes


def test_steps_that_never_begin_are_an_error_in_words(monkeypatch, tmp_path):
    with pytest.raises(EngineMissing, match=r"A second Python cannot be started .*AttributeError.*'nowhere'\.$"):
        attempt("trial_steps:nowhere")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    with pytest.raises(EngineMissing, match="No such file"):
        attempt("trial_steps:well")


def test_a_program_with_its_python_inside_is_not_started_again(monkeypatch):
    """What PyInstaller sets: its ``sys.executable`` is the program, and not a Python."""
    import os

    assert attempt("trial_steps:process")["process"]["number"] != os.getpid()
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert attempt("trial_steps:process")["process"]["number"] == os.getpid()
