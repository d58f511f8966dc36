"""What only a real process shows: the road of a new user, an interrupt, and a terminal."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time

import pytest

OFFLINE = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "all_proxy": "http://127.0.0.1:9"}

# What was started in the background has SIGINT ignored, and so have its children: run the module as it is otherwise.
INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("lenetx_cli", run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
def test_train_export_verify_with_no_other_argument_in_an_empty_folder_without_a_network(
    python, no_network, tmp_path, contents
):
    home = tmp_path / "home"
    work = tmp_path / "work"
    home.mkdir()
    work.mkdir()
    results = []
    for command in (["train"], ["export", "--format", "onnx"], ["verify"]):
        done = python(
            "-m",
            "lenetx_cli",
            *command,
            cwd=work,
            prefix=no_network,
            HOME=str(home),
            XDG_CACHE_HOME=str(home),
            **OFFLINE,
        )
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stdout + done.stderr
        results.append(done.stdout)
    trained, exported, verified = results
    accuracy = float(re.search(r"evaluated once: accuracy ([\d.]+)%", trained)[1])
    assert accuracy > 95
    assert exported.splitlines()[-1] == "Published artifacts/lenet5.onnx."
    assert verified.splitlines()[-1] == "lenet5.onnx computes what eager PyTorch computes (360 test images of digits)."
    assert list(contents(work)) == [
        "artifacts",
        "artifacts/lenet5.history.jsonl",
        "artifacts/lenet5.onnx",
        "artifacts/lenet5.onnx.verified.json",
        "artifacts/lenet5.pt",
        "artifacts/manifest.json",
    ]


def test_nothing_is_written_to_the_home_of_the_user(published, picture, tmp_path):
    """The engine would leave the identity of the device and a file of events to be sent (onnxruntime#27379).

    It does not do so on a machine that looks like one for tests, so the process gets next to no environment.
    """
    home = tmp_path / "home"
    home.mkdir()
    command = [sys.executable, "-m", "lenetx_cli", "predict", published / "lenet5.onnx", picture]
    subprocess.run(command, env={"HOME": str(home)}, cwd=tmp_path, check=True, capture_output=True)
    assert not list(home.rglob("*"))


@pytest.fixture
def started():
    """The function that starts ``lenetx ARGUMENTS`` and waits until a line on stderr begins as it should."""
    processes = []

    def start(folder, *arguments, until):
        command = [sys.executable, "-c", INTERRUPTIBLE, *map(str, arguments)]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        for line in process.stderr:
            if line.startswith(until):
                return process
        pytest.fail(f"it ended with {process.wait()} and never said {until}")

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.slow
def test_an_interrupt_of_training_ends_with_130_and_one_line(started, tmp_path):
    process = started(tmp_path, "train", "--epochs", 100_000, "-o", "out/lenet5.pt", until="epoch 1/")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=250)
    assert process.returncode == 130
    assert stdout == ""
    *epochs, last = stderr.splitlines()
    assert all(
        line.startswith(("epoch ", "Note: 'out/lenet5.resume' holds the state of the run", "Note: Take the weights of"))
        for line in epochs
    )
    assert last == "lenetx: Interrupted."
    assert {path.suffix for path in tmp_path.glob("out/*")} <= {".jsonl", ".resume"}


@pytest.mark.slow
def test_an_interrupt_of_an_export_ends_with_130_and_the_old_artifacts_stand(started, workspace, contents):
    before = contents(workspace)
    process = started(workspace.parent, "export", until="proving lenet5.onnx")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=250)
    assert process.returncode == 130
    assert stdout == ""
    assert stderr.splitlines()[-1] == "lenetx: Interrupted."
    assert "Traceback" not in stderr
    assert contents(workspace) == before


def on_a_terminal(arguments, folder):
    """Run a command whose stdout is a terminal and whose stderr is not; give what each of them got."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "lenetx_cli", *map(str, arguments)]
    with subprocess.Popen(command, cwd=folder, stdout=theirs, stderr=subprocess.PIPE, text=True) as process:
        os.close(theirs)
        shown, until = b"", time.monotonic() + 250
        while time.monotonic() < until:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    shown += os.read(ours, 65536)
                except OSError:  # how Linux says that the other side is closed
                    break
        stderr = process.stderr.read()
    os.close(ours)
    assert process.returncode == 0, stderr
    return shown.decode(), stderr


def test_on_a_terminal_people_read_on_stdout(published, picture, tmp_path):
    shown, stderr = on_a_terminal(["predict", published / "lenet5.onnx", picture], tmp_path)
    assert "probability" in shown
    assert re.search(r"\b7\b", shown)
    assert stderr == ""


def test_json_on_a_terminal_is_still_one_document(published, picture, tmp_path):
    shown, stderr = on_a_terminal(["predict", published / "lenet5.onnx", picture, "--json"], tmp_path)
    assert json.loads(shown)["predictions"][0]["label"] == "7"
    assert stderr == ""


def test_a_bad_input_ends_the_process_with_its_code_and_no_traceback(python, published, tmp_path):
    (tmp_path / "half.onnx").write_bytes((published / "lenet5.onnx").read_bytes()[:1000])
    for name, code in (("half.onnx", 4), ("missing.onnx", 2)):
        done = python("-m", "lenetx_cli", "predict", name, "seven.png")
        assert (done.returncode, done.stdout) == (code, "")
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("lenetx: ")


def test_an_interrupt_after_the_end_says_nothing_more(python):
    """Such as while torch cleans up, which would print a traceback."""
    program = """
import atexit, os, signal, sys
from lenetx_cli.__main__ import main
atexit.register(os.kill, os.getpid(), signal.SIGINT)
sys.argv = ["lenetx", "--help"]
main()
"""
    done = python("-c", program)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: lenetx" in done.stdout
