"""``lenetx train --resume`` after real kills, and what it refuses."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import lenetx

TOOL = Path(__file__).parents[2] / "tools" / "kill_and_resume.py"
QUICK = ("--epochs", 2, "--batch-size", 300)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def interrupt(monkeypatch, cli):
    """The function that runs ``lenetx train ARGUMENTS`` up to a step and returns the command that goes on."""
    from lenetx.training.state import StateFile

    write = StateFile.write

    def run(step, *arguments):
        def writing(self, loop):
            write(self, loop)
            if loop["stepper"]["step"] == step:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(StateFile, "write", writing)
            result = cli("train", *arguments, "--save-every", 0)
        assert result.exit_code == 130
        return re.search("holds the state of the run; continue with: (.*)", result.stderr)[1]

    return run


@pytest.fixture
def interrupted(tmp_path, interrupt):
    """The folder of a run that ended after its fifth step of eight."""
    command = "lenetx train --resume -o artifacts/lenet5.pt --epochs 2 --batch-size 300 --save-every 0.0"
    assert interrupt(5, *QUICK) == command
    assert (tmp_path / "artifacts" / "lenet5.resume").exists()
    assert not (tmp_path / "artifacts" / "lenet5.pt").exists()
    return tmp_path / "artifacts"


@pytest.mark.slow
def test_killed_processes_are_resumed_to_the_same_bits(python):
    """Real processes, real SIGKILLs: two at random moments, two aimed at a state that is being written."""
    result = python(TOOL, "--kills", 4, "--", "--epochs", 2, "--batch-size", 64, "--ema", 0.9, "--elastic", 1)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "The weights are the same bit for bit." in result.stdout
    assert re.search("its unfinished file is left|just after writing", result.stdout)  # a busy machine kills late
    assert int(re.search(r"(\d+) of them killed", result.stdout)[1]) >= 2


def test_resume_alone_goes_on_with_the_newest_run_and_tidies_up(cli, interrupted, tmp_path):
    result = cli("train", "--resume")
    assert result.exit_code == 0
    cli("train", *QUICK, "-o", tmp_path / "alone.pt")
    assert (interrupted / "lenet5.pt").read_bytes() == (tmp_path / "alone.pt").read_bytes()
    assert sorted(path.name for path in interrupted.iterdir()) == ["lenet5.history.jsonl", "lenet5.pt"]
    records = [json.loads(line) for line in (interrupted / "lenet5.history.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2]


def test_the_command_that_goes_on_names_all_that_is_needed(cli, interrupt, tmp_path):
    for name in ("cat", "dog"):
        for number in range(6):
            (tmp_path / "my 'set'" / name).mkdir(parents=True, exist_ok=True)
            levels = np.full((6, 6 + number), 20 * number + len(name), np.uint8)
            PIL.Image.fromarray(levels).save(tmp_path / "my 'set'" / name / f"{number}.png")
    (tmp_path / "my 'set'/cat/bad.png").write_text("no picture")
    network = "import torch\n\n\nclass Net(torch.nn.Sequential):\n    def __init__(self, width):\n"
    network += "        super().__init__(torch.nn.Flatten(), torch.nn.Linear(784, width), torch.nn.Linear(width, 2))\n"
    (tmp_path / "my net.py").write_text(network)
    options = (
        "--data",
        "my 'set'/",
        "--skip-bad",
        "--arch",
        "my net.py:Net",
        "--arch-arg",
        "width=7",
        "--freeze",
        "1.*",
    )
    size = ("--input-size", 28, "--channels", 1, "--epochs", 2, "--batch-size", 4, "--shift", 0, "-q")
    command = interrupt(1, *options, *size[:-1], "-o", "a b.pt")
    program, *arguments = shlex.split(command)
    assert program == "lenetx"
    assert cli(*arguments).exit_code == 0
    assert cli("train", *options, *size, "-o", "alone.pt").exit_code == 0
    assert (tmp_path / "a b.pt").read_bytes() == (tmp_path / "alone.pt").read_bytes()


NET = """
import torch


class Net(torch.nn.Sequential):
    def __init__(self):
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(784, 7), torch.nn.ReLU(), torch.nn.Linear(7, 10))
"""


def test_changed_code_goes_on_only_if_that_is_accepted_and_is_recorded(cli, refused, interrupt, contents, tmp_path):
    (tmp_path / "net.py").write_text(NET)
    options = ("--arch", "net.py:Net", "--input-size", 28, "--channels", 1, *QUICK)
    _, _, *command = shlex.split(interrupt(5, *options, "-o", "net.pt"))
    (tmp_path / "net.py").write_text(NET.replace("ReLU", "Tanh"))
    before = contents(tmp_path)
    sentence = refused(2, "train", *command)
    assert re.search(r"digest of its source: .*, not net.py:Net .*add --accept-code if the change is meant", sentence)
    assert contents(tmp_path) == before
    done = cli("train", *command, "--accept-code")
    assert done.exit_code == 0, done.stderr
    assert re.search(r"Note: net.py:Net \(.*\) was accepted in place of net.py:Net \(", done.stderr)
    checkpoint = lenetx.load("net.pt", architecture="net.py:Net")
    recorded = checkpoint.config["accepted_code"]
    assert recorded.startswith("net.py:Net@")
    assert recorded != checkpoint.spec.architecture
    assert checkpoint.history[-1]["step"] == 8


def test_of_code_that_came_with_lenetx_nothing_can_be_accepted(refused, interrupted):
    go_on = ("train", "--resume", "-o", interrupted / "lenet5.pt")
    assert "name that one" in refused(2, *go_on, "--arch", "lenet5-1998", "--accept-code")
    assert "--accept-code describes initial weights" in refused(2, "train", "--accept-code")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--lr", 0.01), "has learning_rate 0.003, not 0.01"),
        (("--arch", "lenet5-1998"), "trains lenet5, not lenet5-1998"),
        (("--recipe", "notes"), "not sgd"),
    ],
    ids=["another rate", "another network", "a recipe"],
)
def test_a_resume_from_another_run_is_refused_and_changes_nothing(refused, interrupted, contents, options, words):
    before = contents(interrupted)
    assert words in refused(2, "train", "--resume", "-o", interrupted / "lenet5.pt", *options)
    assert contents(interrupted) == before


def test_nothing_to_resume_is_said(refused, cli):
    assert "There is no run to resume in 'artifacts'" in refused(2, "train", "--resume")
    cli("train", *QUICK)
    assert "There is no run to resume" in refused(2, "train", "--resume")
    assert "'net.resume' does not exist" in refused(2, "train", "--resume", "-o", "net.pt")


def test_the_history_is_a_line_per_epoch(cli):
    cli("train", *QUICK)
    records = [json.loads(line) for line in Path("artifacts/lenet5.history.jsonl").read_text().splitlines()]
    history = lenetx.load("artifacts/lenet5.pt").history
    assert [{key: value for key, value in record.items() if key != "seconds"} for record in records] == list(history)
    assert 0 < records[0]["seconds"] < records[1]["seconds"]
    assert records[-1]["step"] == 8


def test_a_run_that_diverges_keeps_the_last_good_weights(refused, tmp_path):
    runaway = ("--optimizer", "sgd", "--loss", "mse", "--momentum", 0, "--lr", 30, "--warm-up", 0.9)
    sentence = refused(2, "train", "--quiet", "--epochs", 4, "--keep", "last", *runaway)
    assert re.match(r"The loss became (nan|inf) .*at step \d+, at learning rate [12]\d.*try a lower --lr\.", sentence)
    last = int(re.search(r"'artifacts/lenet5\.pt' holds the weights of epoch (\d)", sentence)[1])
    assert len(lenetx.load(tmp_path / "artifacts" / "lenet5.pt").history) == last


def test_a_run_that_diverges_at_once_leaves_no_checkpoint(refused, tmp_path):
    refused(2, "train", "--quiet", "--epochs", 1, "--optimizer", "sgd", "--loss", "mse", "--lr", 1e4)
    assert not list(tmp_path.rglob("*.pt"))


@pytest.mark.parametrize("name", ["lenet5.pt", "lenet5.resume", "lenet5.history.jsonl"])
def test_what_a_killed_process_left_half_written_goes_away(cli, tmp_path, name):
    left, other = tmp_path / f"artifacts/.{name}.0123abcd.part", tmp_path / "artifacts/.other.pt.0123abcd.part"
    left.parent.mkdir()
    left.write_bytes(b"x")
    other.write_bytes(b"x")
    cli("train", *QUICK, "-q")
    assert not left.exists()
    assert other.exists()


@pytest.mark.slow
def test_pictures_are_drawn_where_they_are_wanted(cli, tmp_path):
    assert cli("train", *QUICK, "--plots", tmp_path / "plots").exit_code == 0
    assert len(list((tmp_path / "plots").glob("*.png"))) == 4
