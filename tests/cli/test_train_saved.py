"""``lenetx train`` after its last epoch: whatever happens there, the weights are on the disk."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import lenetx

QUICK = ("--epochs", 1, "--batch-size", 400)
# Cast and Sobel fix float32 where the reference in float64 cannot follow.
NET = """
import os, signal
import torch
from torch import nn

class Cast(nn.Module):
    input_shape = (1, 28, 28)

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(784, 10)

    def forward(self, x):
        return self.fc(x.flatten(1).float())

class Sobel(Cast):
    def __init__(self):
        super().__init__()
        self.kernel = torch.ones(1, 1, 3, 3)

    def forward(self, x):
        return super().forward(nn.functional.conv2d(x, self.kernel, padding=1))
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET, encoding="ascii")
    return tmp_path


@pytest.mark.parametrize("name", ["Cast", "Sobel"])
def test_a_network_that_eager_pytorch_trains_has_a_checkpoint(cli, here, name):
    result = cli("train", *QUICK, "--arch", f"net.py:{name}", "-o", "net.pt")
    assert result.exit_code == 0
    assert lenetx.load(here / "net.pt", architecture=f"net.py:{name}").metrics["test_accuracy"] > 0.1
    assert "Wrote net.pt" in result.stdout
    assert not (here / "net.resume").exists()


def test_what_fails_is_a_note_and_no_failure(cli, here, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("it broke")

    for part in ("evaluate", "with_self_test"):
        monkeypatch.setattr(f"lenetx.training.outcome.{part}", fail)
    result = cli("train", *QUICK, "-o", "net.pt")
    assert result.exit_code == 0
    notes = [line for line in result.stderr.splitlines() if line.startswith("Note: ")]
    assert [note.split(":")[1].strip() for note in notes] == [
        "The test split could not be evaluated",
        "The checkpoint has no self-test, because it could not be made",
    ]
    assert result.stdout.splitlines()[-1] == "Wrote net.pt, the weights of epoch 1, which validation chose."
    assert lenetx.load(here / "net.pt").spec.selftest is None


def test_an_interrupt_after_the_last_epoch_leaves_the_weights(cli, here, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lenetx.training.outcome.with_self_test", interrupted)
        result = cli("train", *QUICK, "--save-every", 0, "-o", "net.pt")
    assert result.exit_code == 130
    assert "its weights are saved; add what is missing with: lenetx train --resume -o net.pt" in result.stderr
    weights = lenetx.load(here / "net.pt").spec.weights_sha256
    assert cli("train", "--resume", "-o", "net.pt").exit_code == 0
    assert lenetx.load(here / "net.pt").spec.weights_sha256 == weights
    assert lenetx.load(here / "net.pt").spec.selftest is not None


KILLED = """
import os, sys
import lenetx.training.outcome as outcome
sent = int(sys.argv.pop(1))
def killed(*_, **__): os.kill(os.getpid(), sent)
outcome.with_self_test = killed
from lenetx_cli.app import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT], ids=str)
def test_a_process_that_ends_after_the_last_epoch_leaves_the_weights(here, sent):
    command = [sys.executable, "-c", KILLED, str(int(sent)), "train", *map(str, QUICK), "-o", "net.pt"]
    done = subprocess.run(command, cwd=here, capture_output=True, timeout=300, check=False)
    assert done.returncode == (143 if sent == signal.SIGTERM else -sent)
    assert lenetx.load(here / "net.pt").metrics == {"chosen_epoch": 1}


@pytest.mark.slow
@pytest.mark.parametrize("where", ["2> /dev/full", "> /dev/full", "> /dev/full 2>&1"])
def test_a_terminal_that_is_full_or_closed_costs_no_training(here, where):
    arguments = " ".join(map(str, QUICK))
    command = f"{sys.executable} -m lenetx_cli train {arguments} -o net.pt {where}"
    done = subprocess.run(["bash", "-c", command], cwd=here, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert lenetx.load(here / "net.pt").metrics["test_accuracy"] > 0.1
    assert not (here / "net.resume").exists()


def test_the_weights_of_an_interrupted_run_are_converted(cli, refused, here, monkeypatch):
    from lenetx.training.state import StateFile

    write = StateFile.write

    def writing(self, loop):
        write(self, loop)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StateFile, "write", writing)
        result = cli("train", *QUICK, "--save-every", 0, "--arch", "net.py:Cast", "-o", "net.pt")
    assert "as they are with: lenetx convert net.resume net.pt\n" in result.stderr
    assert "name it with --arch" in refused(4, "convert", "net.resume", "net.pt")
    assert cli("convert", "net.resume", "net.pt", "--arch", "net.py:Cast").exit_code == 0
    assert lenetx.load(here / "net.pt", architecture="net.py:Cast").history == ()


def test_a_checkpoint_that_cannot_be_written_lies_elsewhere(cli, monkeypatch, tmp_path):
    """The disk of the checkpoint is full at the end of hours of work."""
    from lenetx.errors import OutputError
    from lenetx.weights.checkpoint_file import save

    def refusing(checkpoint, path, save=save):
        if path == Path("net.pt"):
            raise OutputError("'net.pt' could not be written: No space left on device.")
        save(checkpoint, path)

    monkeypatch.setattr("lenetx.training.run_files.save", refusing)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = cli("train", *QUICK, "-o", "net.pt")
    assert result.exit_code == 2
    last = result.stderr.splitlines()[-1]
    assert "No space left on device. The checkpoint is in '" in last
    (path,) = tmp_path.glob("lenetx-*/net.pt")
    assert lenetx.load(path).metrics["test_accuracy"] > 0.1
