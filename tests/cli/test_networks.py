"""Networks by name on the command line."""

import pytest

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


def test_anyones_own_network_goes_all_the_way(cli, refused, here, picture):
    assert cli("train", "--arch", "mynet.py:MyNet", "--arch-arg", "width=6", "--epochs", "1").exit_code == 0
    checkpoint = here / "artifacts" / "mynet.pt"
    assert "someone's own code" in refused(4, "export")
    assert cli("export", "--arch", "./mynet.py:MyNet", "-q").exit_code == 0
    assert cli("verify", "--arch", "mynet.py:MyNet", "-q").exit_code == 0
    assert cli("predict", checkpoint, picture, "--arch", "mynet.py:MyNet").exit_code == 0
    assert "someone's own code" in refused(4, "predict", checkpoint, picture)
    assert cli("predict", here / "artifacts" / "mynet.onnx", picture).exit_code == 0
    assert cli("inspect", checkpoint).exit_code == 0
    (here / "mynet.py").write_text(NET + "\n", encoding="ascii")
    assert "another version of mynet.py:MyNet" in refused(4, "export", "--arch", "mynet.py:MyNet")


@pytest.mark.usefixtures("here")
def test_an_input_that_digits_are_not_made_for_is_stretched_and_says_so(cli):
    done = cli("train", "--arch", "mynet.py:MyNet", "--channels", "3", "--input-size", "28", "--epochs", "1")
    assert done.exit_code == 0
    assert "Note: The images of digits are stretched to 3×28×28" in done.stderr
    assert cli("export", "--arch", "mynet.py:MyNet", "-q", "-f", "onnx").exit_code == 0


def test_a_built_in_network_takes_colours(cli, here):
    assert cli("train", "--arch", "lenet5-bn", "--channels", "3", "--epochs", "1").exit_code == 0
    assert cli("export", "-q", "-f", "torchscript").exit_code == 0
    assert (here / "artifacts" / "lenet5-bn.torchscript").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--arch", "mynet.py:MyNet", "--input-size", "30"], "of 1 channel and 28×28 to 29×29 (--input-size 28)"),
        (["--arch", "mynet.py:MyNet", "--input-size", "huge"], "The input size is 'huge'"),
        (["--arch", "mynet.py:MyNet", "--arch-arg", "width"], "'width' is no argument of a network"),
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
