"""Models and checkpoints that cannot be used: one sentence, the right exit code, and nothing written or run."""

import json
import os
from pathlib import Path

import pytest
import torch

from lenetx.data import archive

MISSING, DAMAGED = 2, 4


@pytest.fixture
def wreck(workspace, planted, saved):
    """The function that puts a file that was wrecked in some way into ``workspace`` and gives its path."""

    def flip(data):
        changed = bytearray(data)
        changed[len(data) // 2] ^= 4
        return bytes(changed)

    attack = saved(torch.load(workspace / "lenet5.pt", weights_only=True) | {"extra": planted("it-ran")})
    ways = {
        "empty": lambda _: b"",
        "cut off": lambda data: data[:-100],
        "half": lambda data: data[: len(data) // 2],
        "flipped": flip,
        "text": lambda _: b"this is a text and no model\n" * 20,
        "noise": lambda data: os.urandom(len(data)),
        "hostile": lambda _: attack,
        "hostile and repacked": lambda _: archive.pack(archive.normalise(attack)),
    }

    def make(way, ending):
        path = workspace / f"wreck{ending}"
        if way == "folder":
            path.mkdir()
        elif way != "missing":
            path.write_bytes(ways[way]((workspace / f"lenet5{ending}").read_bytes()))
        return path

    return make


ALL = [("missing", MISSING), ("folder", MISSING)] + [
    (way, DAMAGED)
    for way in ("empty", "cut off", "half", "flipped", "text", "noise", "hostile", "hostile and repacked")
]
WAYS = [(way, code, ending) for ending in (".onnx", ".torchscript", ".pt") for way, code in ALL]
wrecked = pytest.mark.parametrize(("way", "code", "ending"), WAYS, ids=[f"{way}{ending}" for way, _, ending in WAYS])


@wrecked
def test_it_is_refused_by_every_command_that_reads_it(refused, wreck, workspace, picture, contents, way, code, ending):
    path = wreck(way, ending)
    before = contents(workspace.parent)
    commands = [["predict", path, picture, "--json"], ["inspect", path], ["inspect", path, "--json"]]
    if ending == ".pt":
        commands += [
            ["export", path, "-q"],
            ["verify", workspace / "lenet5.onnx", "--against", path, "-q", "--report", "r.json"],
        ]
    else:
        commands += [["verify", path, "--against", workspace / "lenet5.pt", "-q"]]
    for command in commands:
        assert str(path) in refused(code, *command)
    assert contents(workspace.parent) == before
    assert not Path("it-ran").exists()


@pytest.mark.parametrize("ending", [".onnx", ".torchscript"])
def test_the_report_of_an_artifact_that_cannot_be_read_is_a_failed_one(refused, wreck, workspace, ending):
    """A passed report of yesterday must not stand beside the damaged file of today."""
    report = workspace / "report.json"
    report.write_text('{"passed": true}')
    sound, path = workspace / f"lenet5{ending}", wreck("half", ending)
    against = ("--against", workspace / "lenet5.pt", "--report", report)
    reason = refused(DAMAGED, "verify", path, sound, "-q", *against)
    written = json.loads(report.read_text())
    assert written["passed"] is False
    assert [one["artifact"]["name"] for one in written["reports"]] == [path.name, sound.name]
    assert [one["passed"] for one in written["reports"]] == [False, True]
    (check,) = written["reports"][0]["checks"]
    assert (check["name"], check["status"], check["detail"]) == ("file", "failed", reason)


def test_every_artifact_that_cannot_be_read_is_named(cli, wreck, workspace):
    paths = [wreck("half", ".onnx"), wreck("half", ".torchscript")]
    result = cli("verify", *paths, "--against", workspace / "lenet5.pt", "-q")
    assert result.exit_code == DAMAGED
    for path in paths:
        assert len([line for line in result.stderr.splitlines() if str(path) in line]) == 1


@pytest.mark.parametrize("name", ["model.h5", "model", "model.pth"])
def test_an_unknown_ending_is_told_the_known_ones_unless_it_may_be_one_of_weights(refused, workspace, picture, name):
    (workspace / name).write_bytes(b"")
    for command, *arguments in (["inspect"], ["verify", "--against", workspace / "lenet5.pt", "-q"]):
        assert ".onnx, .torchscript" in refused(2, command, workspace / name, *arguments)
    assert "is not a usable checkpoint. It is empty." in refused(4, "predict", workspace / name, picture)


@pytest.mark.parametrize("path", [".", ".."])
@pytest.mark.usefixtures("workspace")
def test_the_current_folder_is_no_model(refused, picture, path):
    for command in (["predict", path, picture], ["inspect", path], ["verify", path, "-q"], ["export", path, "-q"]):
        assert "is a directory" in refused(2, *command)
    assert f"There is no artifact of '{path}'" in refused(2, "verify", "--against", path, "-q")


@pytest.mark.parametrize(
    "command",
    [
        ["train"],
        ["predict", "artifacts/lenet5.onnx", "PICTURE"],
        ["predict", "artifacts/lenet5.torchscript", "PICTURE"],
        ["predict", "artifacts/lenet5.pt", "PICTURE"],
        ["verify", "artifacts/lenet5.onnx", "-q"],
        ["verify", "artifacts/lenet5.torchscript", "-q"],
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("workspace")
def test_cuda_is_used_or_refused_with_3(refused, picture, tmp_path, contents, command):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    before = contents(tmp_path)
    arguments = [picture if argument == "PICTURE" else argument for argument in command]
    for device in ("cuda", "cuda:3"):
        assert "was requested" in refused(3, *arguments, "--device", device)
    assert "There is no device 'gpu'" in refused(2, *arguments, "--device", "gpu")
    assert contents(tmp_path) == before
