"""What a network's file may import, and the files that are scripts."""

import sys

import pytest

from lenetx import models
from lenetx.errors import InputError


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
