"""``torchrun -m lenetx_cli train``: real processes over gloo."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import lenetx
from lenetx import LenetxError

pytestmark = pytest.mark.slow

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
COMMAND = ("-m", "lenetx_cli", "train")
OPTIONS = ("--epochs", "2", "--batch-size", "33", "--optimizer", "sgd", "--lr", "0.05", "--rotate", "5", "--ema", "0.9")
PATIENCE = 250


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One process, the same thing."""
    path = tmp_path_factory.mktemp("alone") / "net.pt"
    from typer.testing import CliRunner

    from lenetx_cli.app import app

    assert CliRunner().invoke(app, ["train", *OPTIONS, "-q", "-o", str(path)]).exit_code == 0
    return lenetx.load(path)


def start(folder, *options):
    """Two processes that save their state after every step."""
    command = [sys.executable, *TORCHRUN, *COMMAND, "-o", "net.pt", "--save-every", "0", *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def start_one(folder, rank, port):
    """One of two processes that nobody watches: torchrun would end the other one before it says anything."""
    command = [sys.executable, *COMMAND, "-o", "net.pt", "--save-every", "0", *OPTIONS]
    place = {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | place | meeting
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ends(process):
    """The exit code."""
    process.communicate(timeout=PATIENCE)
    return process.returncode


def children(process):
    """The numbers of the training processes by rank, once they are there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        ranks = {}
        for entry in Path("/proc").glob("[0-9]*"):
            if f"\nPPid:\t{process.pid}\n" in read(entry / "status"):
                variables = read(entry / "environ").split("\0")
                ranks |= {int(each[5:]): int(entry.name) for each in variables if each.startswith("RANK=")}
        if len(ranks) == 2:
            return ranks
        time.sleep(0.05)
    raise AssertionError("the processes did not start")


def read(path):
    try:
        return path.read_text()
    except OSError:  # the process is gone
        return ""


def wait_for(path):
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_processes_train_what_one_trains_also_after_one_of_them_was_killed(tmp_path, alone):
    """Batches of 33 divide unevenly: a mean of both means is wrong by 3 %, and ends 50 times as far away."""
    process = start(tmp_path, *OPTIONS)
    ranks = children(process)
    wait_for(tmp_path / "net.resume")
    os.kill(ranks[1], signal.SIGKILL)
    assert ends(process) != 0
    assert not (tmp_path / "net.pt").exists()

    process = start(tmp_path, "--resume")
    told = "".join(process.communicate(timeout=PATIENCE))
    assert process.returncode == 0, told
    assert told.count("Wrote net.pt") == 1
    found = lenetx.load(tmp_path / "net.pt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.history.jsonl", "net.pt"]
    for name, tensor in alone.state_dict.items():
        torch.testing.assert_close(found.state_dict[name], tensor, rtol=0, atol=2e-4)
    for ours, theirs in zip(found.history, alone.history, strict=True):
        for name in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"):
            assert ours[name] == pytest.approx(theirs[name], abs=5e-3)


def test_the_process_that_is_left_says_that_the_other_one_is_gone(tmp_path):
    port = free_port()
    left, killed = (start_one(tmp_path, rank, port) for rank in range(2))
    wait_for(tmp_path / "net.resume")
    killed.kill()
    killed.communicate(timeout=PATIENCE)
    _, told = left.communicate(timeout=PATIENCE)
    assert left.returncode == LenetxError.exit_code, told
    sentences = [line for line in told.splitlines() if line.startswith("lenetx: ")]
    assert len(sentences) == 1, told
    assert "another process of this training died" in sentences[0]
    assert "--resume" in sentences[0]
    assert "Traceback" not in told


def test_a_killed_run_of_two_processes_is_resumed_to_the_same_bits(tmp_path):
    """With the hardest images, whose losses each process knows only in part; the figures too are of both."""
    options = ("--epochs", "3", "--batch-size", "33", "--hardest", "0.3", "--label-smoothing", "0.05")
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    alone.mkdir()
    killed.mkdir()
    assert ends(start(alone, *options)) == 0
    process = start(killed, *options)
    ranks = children(process)
    wait_for(killed / "net.resume")
    time.sleep(0.3)
    os.kill(ranks[0], signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    assert not (killed / "net.pt").exists()
    assert ends(start(killed, "--resume")) == 0
    assert (killed / "net.pt").read_bytes() == (alone / "net.pt").read_bytes()


RUNAWAY = """
import os
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(1024, 10))
        self.steps = 0

    def forward(self, x):
        self.steps += self.training
        spoilt = self.training and self.steps > 60 and os.environ["RANK"] == "1"
        return self.layers(x) * (float("nan") if spoilt else 1.0)
"""


def test_what_one_process_alone_sees_ends_all(tmp_path):
    (tmp_path / "runaway.py").write_text(RUNAWAY)
    process = start(tmp_path, "--arch", "./runaway.py:Net", "--input-size", "32", "--epochs", "3")
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert "The loss became nan at step" in told
    assert "holds the weights of epoch 1" in told


def test_what_no_process_can_use_is_refused(tmp_path):
    process = start(tmp_path, "--epochs", "1", "--batch-size", "1")
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert "lenetx: The batch size is 1, but 2 processes share each batch." in told
    assert not list(tmp_path.glob("*.pt"))
