"""Networks by name on the command line."""

import collections
import json

import pytest
import torch

from lenetx import models

NET = """
from torch import nn

class MyNet(nn.Module):
    def __init__(self, num_classes, in_channels, width=4):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(in_channels, width, 5), nn.BatchNorm2d(width)
        self.fc = nn.Linear(width * 144, num_classes)

    def forward(self, x):
        return self.fc(nn.functional.max_pool2d(self.bn(self.conv(x)).relu(), 2).view(x.size(0), -1))
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynet.py").write_text(NET, encoding="ascii")
    return tmp_path


@pytest.mark.slow
def test_anyones_own_network_goes_all_the_way(cli, refused, here, picture):
    assert cli("train", "--arch", "mynet.py:MyNet", "--arch-arg", "width=6", "--epochs", "1").exit_code == 0
    checkpoint = here / "artifacts" / "mynet.pt"
    assert "custom code" in refused(4, "export")
    assert cli("export", "--arch", "./mynet.py:MyNet", "-q").exit_code == 0
    assert cli("verify", "--arch", "mynet.py:MyNet", "-q").exit_code == 0
    assert cli("predict", checkpoint, picture, "--arch", "mynet.py:MyNet").exit_code == 0
    assert "custom code" in refused(4, "predict", checkpoint, picture)
    assert cli("predict", here / "artifacts" / "mynet.onnx", picture).exit_code == 0
    assert cli("inspect", checkpoint).exit_code == 0
    (here / "mynet.py").write_text(NET + "\n", encoding="ascii")
    assert "add --accept-code if the change is meant" in refused(4, "export", "--arch", "mynet.py:MyNet")
    changed = ("--arch", "mynet.py:MyNet", "--accept-code")
    assert "--accept-code" in refused(4, "verify", "--arch", "mynet.py:MyNet", "-q")
    done = cli("verify", *changed, "--json")
    assert done.exit_code == 0
    (report, _) = json.loads(done.stdout)["reports"]
    assert report["reference"]["code"].startswith("changed: mynet.py:MyNet (digest")
    assert "with changed code, which was accepted" in report["conclusion"]
    assert cli("export", *changed, "-q").exit_code == 0


@pytest.mark.slow
def test_weights_that_need_an_argument_and_trust_are_what_an_artifact_is_compared_with(cli, refused, here):
    import torch

    weights = models.resolve("mynet.py:MyNet", {"width": 6}).build((1, 28, 28), 10).state_dict()
    torch.save({"state_dict": weights, "seen": collections.deque([1])}, here / "w.pth")
    stated = ("--arch", "mynet.py:MyNet", "--arch-arg", "width=6", "--input-size", "28", "--channels", "1")
    assert cli("export", "w.pth", *stated, "--trust-pickle", "-f", "onnx", "-q").exit_code == 0
    compare = ("verify", "w.onnx", "--against", "w.pth", *stated[:2], "-q")
    assert "--trust-pickle" in refused(4, *compare, *stated[2:4])
    assert "conv.weight" in refused(4, *compare, "--trust-pickle")
    assert cli(*compare, *stated[2:4], "--trust-pickle").exit_code == 0


@pytest.mark.usefixtures("here")
def test_an_input_that_digits_are_not_made_for_is_stretched_and_says_so(cli):
    done = cli("train", "--arch", "mynet.py:MyNet", "--channels", "3", "--input-size", "28", "--epochs", "1")
    assert done.exit_code == 0
    assert "Note: The images of digits are stretched to 3×28×28" in done.stderr
    assert cli("export", "--arch", "mynet.py:MyNet", "-q", "-f", "onnx").exit_code == 0


@pytest.mark.slow
def test_a_built_in_network_takes_colours(cli, here):
    assert cli("train", "--arch", "lenet5-bn", "--channels", "3", "--epochs", "1").exit_code == 0
    assert cli("export", "-q", "-f", "torchscript").exit_code == 0
    assert (here / "artifacts" / "lenet5-bn.torchscript").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--arch", "mynet.py:MyNet", "--input-size", "30"], "of 1 channel and 28×28 to 29×29 (--input-size 28)"),
        (["--arch", "mynet.py:MyNet", "--input-size", "huge"], "The input size is 'huge'"),
        (["--arch", "mynet.py:MyNet", "--arch-arg", "width"], "'width' is not an argument of a network"),
        (["--arch", "mynet.py:MyNet", "--arch-arg", "depth=3"], "mynet.py:MyNet takes no argument 'depth'"),
        (["--arch", "mynet.py:Mynet"], "Did you mean 'MyNet'?"),
        (["--arch", "none.py:MyNet"], "There is no file of a network 'none.py'."),
        (["--arch", "lenet5", "--input-size", "28"], "lenet5 takes inputs of 1×32×32"),
        (["--channels", "2"], "The number of channels is 2; it must be 1 (grey) or 3 (RGB)."),
        (["--arch", "torchvision:resnet"], "There is no network of torchvision 'resnet'."),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_leaves_nothing(refused, here, arguments, words):
    assert words in refused(2, "train", *arguments)
    assert not (here / "artifacts").exists()


AT_WORK = """
import torch
from torch import nn

class Prints(nn.Module):
    input_shape = (1, 28, 28)

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(784, 10)

    def forward(self, x):
        print("forward", x.shape)
        return self.fc(self.before(x).flatten(1))

    def before(self, x):
        return x

class NotTraced(Prints):
    def before(self, x):
        if torch.compiler.is_exporting() or torch.jit.is_tracing():
            raise RuntimeError("I am not to be exported")
        return x

class Leaves(Prints):
    def before(self, x):
        raise SystemExit(0)

class Branches(Prints):
    def before(self, x):
        return 1 - x if x.mean() > 0.5 else x
"""


@pytest.fixture
def at_work(here):
    """The function that gives the arguments for a network of the file above."""
    import torch

    (here / "work.py").write_text(AT_WORK, encoding="ascii")
    weights = {"fc.weight": torch.rand(10, 784) - 0.5, "fc.bias": torch.zeros(10)}
    torch.save(weights, here / "w.pth")
    return lambda name: ("w.pth", "--arch", f"work.py:{name}")


def test_a_network_that_prints_leaves_stdout_one_document(cli, at_work):
    done = cli("export", *at_work("Prints"), "-f", "onnx", "--json")
    assert done.exit_code == 0, done.stderr
    assert "forward" not in done.stdout
    assert json.loads(done.stdout)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotTraced", "work.py:NotTraced raised RuntimeError in line 22 of work.py on its way to onnx: I am not to be"),
        ("Leaves", "work.py:Leaves raised SystemExit in line 27 of work.py: 0."),
        ("Branches", "work.py:Branches reads a number of its input in line 31 of work.py and branches on it"),
    ],
)
def test_a_fault_of_the_networks_code_is_one_sentence_about_it(refused, at_work, name, words):
    assert words in refused(2, "export", *at_work(name), "-f", "onnx")


TWO = """
from torch import nn

class Two(nn.Module):
    input_shape = (1, 8, 8)

    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(64, 3), nn.Linear(64, 3)

    def forward(self, x):
        return {"one": self.one(x), "other": self.other(x)}
"""


def test_one_of_several_outputs_is_chosen_and_recorded(cli, refused, here):
    (here / "two.py").write_text(TWO, encoding="ascii")
    network = models.resolve("two.py:Two")
    torch.save(network.factory().state_dict(), "w.pth")
    arch = ("--arch", "two.py:Two")
    assert "'one' and 'other' could be its logits: choose one with --output" in refused(2, "export", "w.pth", *arch)
    assert "none of which is --output third" in refused(2, "export", "w.pth", *arch, "--output", "third")
    assert "--folder or -o is the folder" in refused(2, "export", "w.pth", *arch, "--output", "some/where")
    assert not (here / "w.onnx").exists()
    done = cli("export", "w.pth", *arch, "-f", "onnx", "--output", "other", "-o", "made")
    assert done.exit_code == 0
    assert "takes float32[N, 64]: inputs of [1, 8, 8] are flattened to it" in done.stderr
    assert cli("verify", "made/w.onnx", "--against", "w.pth", *arch, "-q").exit_code == 0
    assert "contradicts it" in refused(2, "verify", "made/w.onnx", "--against", "w.pth", *arch, "--output", "one")
