"""Weights from elsewhere on the command line: convert, export and train."""

import json
import os

import pytest
import torch

import lenetx
from lenetx import models

QUICK = ("--epochs", 1, "--batch-size", 400)


@pytest.fixture
def plain(tmp_path, monkeypatch, checkpoint, saved):
    """A file of a lenet5's weights alone, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.pth").write_bytes(saved(dict(checkpoint.state_dict)))
    return "plain.pth"


def test_weights_become_a_checkpoint_that_all_commands_take(cli, plain, picture, seven):  # noqa: ARG001
    stated = ("--framing", "mnist", "--mean", 0.1559, "--std", 0.2976)
    done = cli("convert", plain, "mine.pt", "--arch", "lenet5", *stated)
    assert done.exit_code == 0
    assert "Wrote mine.pt from plain.pth." in done.output
    assert cli("export", "mine.pt", "-f", "onnx", "--data", "digits", "-q").exit_code == 0
    assert cli("verify", "mine.onnx", "-q").exit_code == 0
    answer = json.loads(cli("predict", "mine.onnx", picture, "--json").stdout)
    assert answer["predictions"][0]["label"] == "7"


def test_safetensors_are_a_checkpoint_too(cli, workspace, picture):
    assert cli("convert", workspace / "lenet5.pt", workspace / "again.safetensors", "--json").exit_code == 0
    described = json.loads(cli("inspect", workspace / "again.safetensors", "--json").stdout)
    assert (described["kind"], described["spec"]["architecture"]) == ("checkpoint", "lenet5")
    answer = json.loads(cli("predict", workspace / "again.safetensors", picture, "--json").stdout)
    assert answer["predictions"][0]["label"] == "7"
    assert cli("export", workspace / "again.safetensors", "-f", "onnx", "-q").exit_code == 0
    assert (workspace / "again.onnx").exists()


def test_an_export_of_weights_alone_is_proven_and_says_what_it_saw(cli, refused, plain, picture):
    done = cli("export", plain, "--arch", "lenet5", "-f", "onnx")
    assert done.exit_code == 0
    assert "no real images seen" in done.stdout
    assert "came without a data set" in done.stdout
    assert "--framing" in refused(2, "predict", "plain.onnx", picture)


def test_what_is_missing_is_asked_for(refused, plain, contents, tmp_path):
    before = contents(tmp_path)
    for command in (["export", plain, "-q"], ["convert", plain, "x.pt"], ["train", "--init", plain]):
        sentence = refused(2, *command)
        assert "--arch" in sentence
        assert "fit lenet5" in sentence
        assert "fc3.weight [10, 84]" in sentence
    assert "--framing" in refused(2, "export", plain, "--arch", "lenet5", "--data", "digits", "-q")
    assert "state it with --framing" in refused(2, "convert", plain, "x.pt", "--arch", "lenet5", "--mean", 0.5)
    assert "conv1.weight has shape" in refused(4, "export", plain, "--arch", "lenet5-3x3", "-q")
    assert "There is no checkpoint 'none.pt'" in refused(2, "convert", "none.pt", "x.pth")
    assert "overwrite" in refused(2, "convert", plain, plain)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "command",
    [
        ["convert", "FILE", "x.pth"],
        ["export", "FILE", "-q"],
        ["train", "--init", "FILE"],
        ["inspect", "FILE"],
        ["predict", "FILE", "x.png", "--arch", "lenet5"],
        ["verify", "ARTIFACT", "--against", "FILE", "-q"],
        ["verify", "--against", "FILE", "--write-inputs", "x.npy", "-q"],
    ],
)
def test_code_is_not_run_and_trusting_it_is_offered(refused, tmp_path, monkeypatch, planted, saved, published, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.pt").write_bytes(saved({"weight": torch.ones(1), "extra": planted(tmp_path / "it-ran")}))
    files = {"FILE": "file.pt", "ARTIFACT": published / "lenet5.onnx"}
    sentence = refused(4, *[files.get(part, part) for part in command])
    assert "nothing was executed" in sentence
    assert "--trust-pickle" in sentence
    assert not (tmp_path / "it-ran").exists()


class MakesFolder:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_trusted_code_runs_and_that_is_said(cli, tmp_path, monkeypatch, saved):
    monkeypatch.chdir(tmp_path)
    state = models.build("lenet5", (1, 32, 32), 10).state_dict()
    (tmp_path / "own.pt").write_bytes(saved({"model": state, "extra": MakesFolder(tmp_path / "it-ran")}))
    done = cli("convert", "own.pt", "mine.pt", "--arch", "lenet5", "--trust-pickle")
    assert done.exit_code == 0
    assert done.stderr.count("Code in 'own.pt' is run, since its pickle is trusted") == 1
    assert (tmp_path / "it-ran").exists()


def test_fine_tuning_says_what_it_changes(cli, tmp_path, monkeypatch, saved):
    monkeypatch.chdir(tmp_path)
    given = models.build("lenet5", (1, 32, 32), 26).state_dict()
    (tmp_path / "letters.pth").write_bytes(saved(given))
    frozen = ("--freeze", "conv*", "--freeze", "fc1.*")
    done = cli("train", *QUICK, "--init", "letters.pth", "--arch", "lenet5", *frozen)
    assert done.exit_code == 0
    assert "Note: 'letters.pth' is for 26 classes, and there are 10 here: fc3 is newly initialised." in done.stderr
    found = lenetx.load("artifacts/lenet5.pt")
    assert found.config["freeze"] == ["conv*", "fc1.*"]
    assert found.config["init"]["name"] == "letters.pth"
    assert torch.equal(found.state_dict["fc1.weight"], given["fc1.weight"])
    assert not torch.equal(found.state_dict["fc2.weight"], given["fc2.weight"])


def test_the_network_of_a_checkpoint_is_gone_on_with(cli, checkpoint_paths, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("train", *QUICK, "-q", "--init", checkpoint_paths["lenet5-3x3"]).exit_code == 0
    assert lenetx.load("artifacts/lenet5-3x3.pt").spec.architecture == "lenet5-3x3"
