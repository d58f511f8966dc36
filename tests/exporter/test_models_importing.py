"""What a network's file may import, and the files that are scripts."""

import sys

import pytest
import torch

from lenetx import models
from lenetx.errors import InputError, Unavailable
from lenetx.models.identity import is_same


def refusal(name, args=None, shape=(1, 28, 28), classes=10):
    with pytest.raises(InputError) as caught:
        models.resolve(name, args).build(shape, classes)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


SCRIPT = """import torch
def train():
    x = torch.ones(1, requires_grad=True)
    x.sum().backward()
def main():
    train()
"""
GUARD = "under 'if __name__ == \"__main__\":'."


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (SCRIPT + "main()\n", f"script.py trains a network when it is imported (line 7): .* {GUARD}"),
        (SCRIPT + "for epoch in range(3):\n    train()\n", "(line 8)"),
        ("import torch\nloss = torch.ones(1, requires_grad=True)\nloss.backward()\n", "(line 3)"),
        (
            "import argparse\np = argparse.ArgumentParser()\np.add_argument('--root', required=True)\np.parse_args()\n",
            f"script.py raised SystemExit in line 4 of script.py: .* such as reading its arguments, {GUARD}",
        ),
        (
            "import cv2_of_nobody.core\n",
            "install it with 'pip install cv2_of_nobody', or run lenetx in the folder where its module",
        ),
    ],
)
def test_a_script_is_told_what_to_change(tmp_path, source, words):
    (tmp_path / "script.py").write_text(source + "def net(): ...\n")
    message = refusal(f"{tmp_path}/script.py:net")
    for part in words.split(".*"):
        assert part.strip() in message


HIDDEN = """import torch
class Trainer:
    def fit(self, loss):
        getattr(loss, "back" + "ward")()
"""


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"net.py": HIDDEN + "Trainer().fit(torch.ones(1, requires_grad=True))\n"},
            f"net.py trains a network when it is imported in line 4 of net.py: .* {GUARD}",
        ),
        (
            {
                "trainer_{n}.py": HIDDEN + "Trainer().fit(torch.ones(1, requires_grad=True))\n",
                "net.py": "import trainer_{n}\n",
            },
            f"net.py trains a network when it is imported in line 4 of trainer_ .* {GUARD}",
        ),
        (
            {"net.py": "rows = open('train.csv').read()\n"},
            f"net.py raised FileNotFoundError in line 1 of net.py: .* such as reading its data, {GUARD}",
        ),
        (
            {"net.py": "from torchvision.datasets import MNIST\nMNIST('none')\n"},
            f"net.py raised RuntimeError in line 2 of net.py: Dataset not found. .* {GUARD}",
        ),
    ],
)
def test_a_script_that_hides_it_is_told_the_same(tmp_path, files, words):
    for name, text in files.items():
        source = f"{text.format(n=tmp_path.name)}def net(): ...  # {tmp_path.name}\n"
        (tmp_path / name.format(n=tmp_path.name)).write_text(source)
    message = refusal(f"{tmp_path}/net.py:net")
    for part in words.split(".*"):
        assert part.strip() in message


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("cv2", "pip install opencv-python-headless"),
        ("PIL.nothing", "pip install pillow"),
        ("sklearn.nothing", "pip install scikit-learn"),
        ("yaml.nothing", "pip install pyyaml"),
        ("einops_of_nobody", "pip install einops_of_nobody"),
    ],
)
def test_a_missing_package_is_named_with_a_command(tmp_path, module, command):
    (tmp_path / "net.py").write_text(f"# {tmp_path.name}\nimport {module}\ndef net(): ...\n")
    with pytest.raises(Unavailable, match=command) as caught:
        models.resolve(f"{tmp_path}/net.py:net")
    assert caught.value.exit_code == 3


CUDA = """# {n}
import torch
from torch import nn
{at_import}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 10){at_construction}
    def forward(self, x):
        return self.fc(x{in_forward}.flatten(1))
"""


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("at_import", "table = torch.ones(2).cuda()"),
        ("at_import", "table = torch.ones(2, device=torch.device('cuda'))"),
        ("at_import", "table = torch.cuda.FloatTensor(2)"),
        ("at_construction", ".cuda()"),
        ("at_construction", ".to('cuda:0')"),
        ("in_forward", ".cuda()"),
        ("in_forward", ".to('cuda')"),
    ],
)
def test_code_that_asks_for_cuda_gets_one_sentence(tmp_path, place, code):
    places = {"at_import": "", "at_construction": "", "in_forward": "", place: code}
    (tmp_path / "net.py").write_text(CUDA.format(n=tmp_path.name, **places))
    with pytest.raises(
        Unavailable, match=r"^net\.py.* asks for CUDA in line \d+ of net\.py, which this machine"
    ) as caught:
        models.resolve(f"{tmp_path}/net.py:Net").build((1, 8, 8), 10)
    assert str(caught.value).count(".") == str(caught.value).count("net.py") + 1
    assert caught.value.exit_code == 3


def test_a_module_of_the_current_folder_is_known_by_its_digest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = f"module_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text("from torch import nn\nclass Net(nn.Linear): ...\n")
    assert is_same(models.resolve(f"{name}.py:Net").name, models.resolve(f"{name}:Net").name)
    assert "@" not in models.resolve("torchvision.models:resnet18").name


def test_a_guarded_script_and_one_with_optional_arguments_are_networks(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lenetx", "train", "--arch", "x"])
    text = SCRIPT + "import argparse, sys\np = argparse.ArgumentParser()\np.add_argument('--width', default=64)\n"
    text += "width = p.parse_args().width\nprogram = sys.argv[0]\nif __name__ == '__main__':\n    main()\n"
    text += (
        "from torch import nn\ndef net(classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(width, classes))\n"
    )
    (tmp_path / "script.py").write_text(text)
    found = models.resolve(f"{tmp_path}/script.py:net")
    assert found.build((1, 8, 8), 3) is not None
    assert found.factory.__globals__["program"] == f"{tmp_path}/script.py"
    assert sys.argv == ["lenetx", "train", "--arch", "x"]


TREE = {
    "repo/pyproject.toml": "",
    "repo/common_{n}.py": "SIZE = 64\n",
    "repo/nets/__init__.py": "",
    "repo/nets/parts.py": "from torch.nn import Linear\nWHO = {n}\n",
    "repo/nets/deep/__init__.py": "",
    "repo/nets/deep/net.py": (
        "from torch import nn\nfrom ..parts import Linear, WHO\nfrom . import more\nimport common_{n}\n"
        "def net(classes):\n    return nn.Sequential(nn.Flatten(), Linear(common_{n}.SIZE, classes))\n"
    ),
    "repo/nets/deep/more.py": "",
    "plain-folder/parts.py": "WHO = {n}\n",
    "plain-folder/helper.py": "WHO = {n}\n",
    "plain-folder/net.py": (
        "from torch import nn\nfrom .parts import WHO\nimport helper\n# {n}\n"
        "def net(classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(64 + helper.WHO - WHO, classes))\n"
    ),
}


@pytest.mark.parametrize("file", ["repo/nets/deep/net.py", "plain-folder/net.py"])
def test_a_file_imports_as_in_its_own_repository_and_two_of_them_do_not_mix(tmp_path, file):
    before = list(sys.path)
    for number in (1, 2, 1):
        for name, text in TREE.items():
            path = tmp_path / str(number) / name.format(n=number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(n=number))
        found = models.resolve(f"{tmp_path / str(number) / file}:net")
        assert found.build((1, 8, 8), 3) is not None
        assert found.factory.__globals__["WHO"] == number
    assert sys.path == before


def test_packages_of_two_folders_do_not_mix(tmp_path, monkeypatch):
    for number in (1, 2):
        folder = tmp_path / str(number) / "package_of_both"
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "net.py").write_text(
            f"from torch import nn\ndef net(classes):\n    return nn.Linear({number}, classes)\n"
        )
        monkeypatch.chdir(tmp_path / str(number))
        assert models.resolve("package_of_both.net:net").factory(3).in_features == number


@pytest.mark.parametrize("named", ["src/models/net.py", "{folder}/src/models/net.py"])
def test_modules_are_found_from_the_current_folder_above_the_file(tmp_path, monkeypatch, named):
    (tmp_path / "src/models").mkdir(parents=True)
    (tmp_path / "src/layers_of_mine.py").write_text("from torch.nn import Flatten, Linear, Sequential\n")
    (tmp_path / "src/models/net.py").write_text(
        "from src.layers_of_mine import *\ndef net(classes):\n    return Sequential(Flatten(), Linear(64, classes))\n"
    )
    monkeypatch.chdir(tmp_path)
    assert models.resolve(f"{named.format(folder=tmp_path)}:net").build((1, 8, 8), 10)
