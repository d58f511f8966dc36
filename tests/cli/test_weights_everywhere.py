"""Every command reads every kind of file of weights with the same options."""

import json
import warnings

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.torch import save_file

import lenetx
from lenetx import models

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes=4, width=3):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, num_classes)
    def forward(self, x):
        return self.fc(torch.relu(self.norm(self.conv(x))).mean((2, 3)))
"""
ARCH = ("--arch", "net.py:Net")
STATED = ("--framing", "stretch", "--mean", 0.5, "--std", 0.25, "--labels", "a,b,c,d")
ALL = (*ARCH, "--input-size", "12x10", "--channels", 3, *STATED)


def lightning(state):
    others = {
        "pytorch-lightning_version": "2.5.0",
        "hyper_parameters": {"lr": 1e-3},
        "optimizer_states": [],
        "loops": {},
    }
    return {"state_dict": {f"model.{name}": tensor for name, tensor in state.items()}, "epoch": 1, **others}


KINDS = {
    "plain.pth": lambda net, path: torch.save(net.state_dict(), path),
    "whole.pth": torch.save,
    "parallel.pth": lambda net, path: torch.save({f"module.{k}": v for k, v in net.state_dict().items()}, path),
    "lightning.ckpt": lambda net, path: torch.save(lightning(net.state_dict()), path),
    "average.pth": lambda net, path: torch.save({"model": None, "ema": {"module": net.state_dict()}}, path),
    "list.pth": lambda net, path: torch.save([net.state_dict()], path),
    "plain.safetensors": lambda net, path: save_file(dict(net.state_dict()), path),
    "plain.npz": lambda net, path: np.savez(path, **{k: v.numpy() for k, v in net.state_dict().items()}),
    "scripted.pt": lambda net, path: torch.jit.script(net).save(path),
    "traced.torchscript": lambda net, path: torch.jit.trace(net, torch.zeros(1, 3, 12, 10)).save(path),
    "checkpoint.pt": lambda _, path: lenetx.convert("plain.pth", path, **lenetx_options()),
    "checkpoint.safetensors": lambda _, path: lenetx.convert("plain.pth", path, **lenetx_options()),
}
FAST = ("plain.pth", "checkpoint.pt")


def lenetx_options():
    stated = lenetx.Statement("stretch", (0.5,), (0.25,), tuple("abcd"), (12, 10), 3)
    return {"weights_options": lenetx.WeightsOptions("net.py:Net", stated=stated)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with ``net.py``, every kind of file of its weights, a proven artifact of them, and pictures."""
    folder = tmp_path_factory.mktemp("everywhere")
    (folder / "net.py").write_text(NET + f"# {folder.name}")
    rng = np.random.default_rng(0)
    for label in "abcd":
        (folder / "pictures" / label).mkdir(parents=True)
        for number in range(6):
            levels = rng.integers(0, 256, (16, 16, 3), np.uint8)
            PIL.Image.fromarray(levels).save(folder / "pictures" / label / f"{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        torch.manual_seed(0)
        net = models.resolve("net.py:Net").factory().eval()
        for name, write in KINDS.items():
            write(net, name)
        lenetx.export("plain.pth", ["onnx", "torchscript"], stem="made", folder=folder, **lenetx_options())
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "kind", [each if each in FAST else pytest.param(each, marks=pytest.mark.slow) for each in KINDS]
)
def test_every_command_reads_it_with_the_same_options(cli, kind, tmp_path):
    """What one command makes of the options, all do."""
    assert cli("export", kind, *ALL, "-f", "onnx", "-o", tmp_path, "-q").exit_code == 0
    (made,) = tmp_path.glob("*.onnx")
    assert cli("verify", made, "--against", kind, *ARCH, "-q").exit_code == 0
    assert cli("verify", "made.onnx", "--against", kind, *ALL, "-q").exit_code == 0
    assert cli("convert", kind, tmp_path / "new.pt", *ALL, "-q").exit_code == 0
    assert (
        cli(
            "train",
            "--init",
            kind,
            *ALL,
            "--data",
            "pictures",
            "--epochs",
            1,
            "--batch-size",
            4,
            "-o",
            tmp_path / "t.pt",
            "-q",
        ).exit_code
        == 0
    )
    described = json.loads(cli("inspect", kind, *ALL, "--json").stdout)
    assert described["spec"]["labels"] == list("abcd")
    assert described["spec"]["architecture"].startswith("net.py:Net@")
    assert sum(each["count"] for each in described["parameters"]) == 3 * 27 + 3 + 4 * 3 + 1 + 12 + 4
    picture = "pictures/a/0.png"
    expected = json.loads(cli("predict", "made.onnx", picture, "--json").stdout)["predictions"][0]
    found = json.loads(cli("predict", kind, picture, *ALL, "--json").stdout)["predictions"][0]
    assert found["label"] == expected["label"]
    assert found["probability"] == pytest.approx(expected["probability"], abs=1e-6)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", ["plain.pth", "whole.pth", "lightning.ckpt", "scripted.pt"])
def test_weights_whose_network_is_unknown_are_described_too(cli, name):
    described = json.loads(cli("inspect", name, "--json").stdout)
    assert described["spec"] is None
    assert described["facts"]["fits"] == []
    assert len(described["parameters"]) == 9
    assert ["all", "113"] in [line.split() for line in cli("inspect", name).stdout.splitlines()]


@pytest.mark.usefixtures("here")
def test_what_the_artifact_records_is_the_default_and_cannot_be_contradicted(cli, refused, contents, here):
    against = ("verify", "made.onnx", "--against", "plain.pth", *ARCH)
    done = cli(*against, "--data", "pictures")
    assert done.exit_code == 0
    assert "4 test images of pictures" in done.stdout
    before = contents(here)
    for option, given, own in (
        ("--framing", "letterbox", "stretch"),
        ("--labels", "d,c,b,a", "a,b,c,d"),
        ("--input-size", "10x12", "12x10"),
        ("--channels", "1", "3"),
    ):
        sentence = refused(2, *against, option, given, "-q")
        assert f"records {option[2:].replace('-', ' ')} {own}, and {option} {given} contradicts it" in sentence
    assert "mean 0.5,0.5,0.5, and --mean 0.1,0.1,0.1" in refused(
        2, *against, "--framing", "stretch", "--mean", 0.1, "-q"
    )
    assert contents(here) == before


@pytest.mark.usefixtures("here")
@pytest.mark.slow
def test_each_of_several_artifacts_is_judged_by_what_it_records_itself(cli, tmp_path, monkeypatch):
    """Of other framings and labels; equal ones share a reference, and what both are told is told once."""
    from lenetx.publishing import verify_files

    made = []
    monkeypatch.setattr(
        verify_files, "reference", lambda *args, **options: made.append(args) or lenetx.reference(*args, **options)
    )
    size = ("--input-size", "12x10", "--channels", 3)
    for name, stated in (
        ("one", ("--framing", "stretch", "--labels", "a,b,c,d")),
        ("two", ("--framing", "letterbox", "--mean", 0.4, "--std", 0.3, "--labels", "b,a,d,c")),
        ("three", ("--framing", "stretch", "--labels", "a,b,c,d")),
    ):
        export = ("export", "parallel.pth", *ARCH, *size, *stated, "-f", "onnx", "-o", tmp_path / name, "-q")
        assert cli(*export).exit_code == 0
    export_plainly(tmp_path / "theirs.onnx")
    paths = [*(tmp_path / name / "parallel.onnx" for name in ("one", "two", "three")), tmp_path / "theirs.onnx"]
    made.clear()
    done = cli("verify", *paths, "--against", "parallel.pth", *ARCH, "--json")
    assert done.exit_code == 0, done.stdout
    assert len(made) == 3
    assert done.stderr.count("the prefix 'module.' of the names was removed") == 1
    done = cli("verify", *paths[1::-1], "--against", "parallel.pth", *ARCH, "--data", "pictures", "--json")
    for report in json.loads(done.stdout)["reports"]:
        found = {check["name"]: (check["status"], check["subject"]) for check in report["checks"]}
        assert found["real inputs"] == ("passed", "4 test images of pictures/")
        assert found["preprocessing"][0] == "passed"


def export_plainly(path):
    net = models.resolve("net.py:Net").factory().eval()
    state = torch.load("plain.pth")
    net.load_state_dict(state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (torch.zeros(2, 3, 12, 10),), path, dynamo=False, dynamic_axes={"x": [0]}, input_names=["x"]
        )


@pytest.mark.usefixtures("here")
def test_preprocessing_that_neither_records_may_be_stated(cli, refused, tmp_path):
    known = (*ARCH, "--input-size", "12x10", "--channels", 3, "--labels", "a,b,c,d")
    assert cli("export", "plain.pth", *known, "-f", "onnx", "-o", tmp_path, "-q").exit_code == 0
    made = tmp_path / "plain.onnx"
    against = ("verify", made, "--against", "plain.pth", *ARCH, "--data", "pictures")
    assert "--framing" in refused(2, *against, "-q")
    done = cli(*against, "--framing", "stretch", "--mean", 0.5, "--std", 0.25)
    assert done.exit_code == 0
    assert "4 test images of pictures" in done.stdout
    assert "--framing" in refused(2, "predict", made, "pictures/a/0.png")
    assert cli("predict", made, "pictures/a/0.png", "--framing", "stretch", "--mean", 0.5, "--std", 0.25).exit_code == 0


@pytest.mark.usefixtures("here")
def test_another_programs_logits_are_judged_with_the_same_options(cli, tmp_path):
    options = (*ALL, "--data", "pictures")
    done = cli("verify", "--against", "plain.pth", *options, "--write-inputs", tmp_path / "inputs.npy")
    assert done.exit_code == 0
    assert "--framing stretch --mean 0.5 --std 0.25 --labels a,b,c,d --logits" in done.stdout.replace("\n", " ")
    inputs = np.load(tmp_path / "inputs.npy")
    np.save(tmp_path / "logits.npy", lenetx.classifier("made.torchscript").logits(inputs))
    given = ("--logits", tmp_path / "logits.npy", "--inputs", tmp_path / "inputs.npy")
    assert cli("verify", "--against", "plain.pth", *ALL, *given).exit_code == 0


@pytest.mark.usefixtures("here")
def test_weights_of_other_classes_or_only_of_the_same_shapes_are_one_sentence(refused, contents, here):
    state = torch.load("plain.pth")
    torch.save(models.resolve("net.py:Net").factory(num_classes=5).state_dict(), "five.pth")
    torch.save({f"layer{number}": tensor for number, tensor in enumerate(state.values())}, "shapes.pth")
    before = contents(here)
    sentence = refused(2, "verify", "made.onnx", "--against", "five.pth", *ARCH, "-q")
    assert "'made.onnx' has 4 classes, but the weights in 'five.pth' are for 5" in sentence
    assert "There are 4 labels, but the weights in 'five.pth' are for 5" in refused(2, "export", "five.pth", *ALL, "-q")
    for command in (
        ("export", "shapes.pth", *ALL, "-q"),
        ("verify", "made.onnx", "--against", "shapes.pth", *ARCH, "-q"),
        ("convert", "shapes.pth", "new.pt", *ALL),
        ("inspect", "shapes.pth", *ALL),
        ("predict", "shapes.pth", "pictures/a/0.png", *ALL),
        ("train", "--init", "shapes.pth", *ALL, "--data", "pictures", "-q"),
    ):
        assert "only their shapes agree, in order: rename them" in refused(4, *command)
    assert contents(here) == before


@pytest.mark.usefixtures("here")
def test_an_artifact_is_no_source_of_weights_whose_batch_norms_it_has_folded(refused):
    for command in (("export", "made.torchscript", *ALL, "-q"), ("convert", "made.torchscript", "new.pt", *ALL)):
        assert "are folded into the weights in 'made.torchscript'" in refused(4, *command)
    for command in (("inspect", "made.onnx", *ALL), ("predict", "made.onnx", "pictures/a/0.png", *ALL)):
        assert "which holds its network" in refused(2, *command)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("option", [ARCH, ("--arch-arg", "width=3"), ("--output", "1")])
def test_what_only_weights_leave_open_is_not_stated_of_an_artifact(refused, tmp_path, option):
    """What was ignored would seem to have been checked."""
    for command in (("inspect", "made.onnx"), ("predict", "made.torchscript", "pictures/a/0.png")):
        sentence = refused(2, *command, *option)
        assert sentence.startswith(
            f"{option[0]} does not apply to '{command[1]}', an artifact, which holds its network"
        )
        assert f"'lenetx verify {command[1]} --against WEIGHTS' takes it" in sentence
    export_plainly(tmp_path / "theirs.onnx")
    for given in (option, ("--framing", "stretch")):
        assert "of which nothing can be stated here" in refused(2, "inspect", tmp_path / "theirs.onnx", *given)


@pytest.mark.usefixtures("here")
def test_what_is_stated_of_initial_weights_counts_for_them(cli, refused, tmp_path):
    run = ("train", *ARCH, "--data", "pictures", "--epochs", 1, "--batch-size", 4, "-o", tmp_path / "t.pt")
    assert "--mean describes initial weights" in refused(2, *run, "--mean", 0.5, "--framing", "stretch")
    stated = ("--framing", "stretch", "--mean", 0.5, "--std", 0.25, "--input-size", "12x10", "--channels", 3)
    done = cli(*run, "--init", "plain.pth", *stated, "--labels", "d,c,b,a")
    assert done.exit_code == 0
    assert "in another order: fc is newly initialised" in done.stderr
    found = lenetx.load(tmp_path / "t.pt", architecture="net.py:Net")
    assert (found.spec.mean, found.spec.std) == ((0.5,) * 3, (0.25,) * 3)
    assert "There are 2 labels" in refused(2, *run, "--init", "plain.pth", *stated, "--labels", "a,b", "-q")


def test_every_command_has_the_same_options(cli):
    for command in ("export", "verify", "inspect", "predict", "convert", "train"):
        shown = cli(command, "--help").stdout
        for option in ("--arch-arg", "--trust-pickle", "--accept-code", *ALL[::2], "Preprocessing and labels"):
            assert str(option) in shown, (command, option)
