"""Checkpoints and artifacts of modules in memory as files: the same bytes everywhere, and loaded with their class."""

import subprocess
import sys

import pytest
import torch

import lenetx
from lenetx import Checkpoint, CheckpointError, models

SHAPE = (1, 12, 12)


def same(checkpoint, module):
    images = torch.rand(5, *SHAPE, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return torch.equal(checkpoint.module()(images), module(images))


SCRIPT = """
import sys, torch, lenetx
from torch import nn
{source}
torch.manual_seed(0)
module = Net().eval()
checkpoint = lenetx.Checkpoint.of(module, input_shape=(1, 12, 12))
for _ in range(int(sys.argv[2])):
    for report in lenetx.export(checkpoint, folder=sys.argv[1]):
        print(checkpoint.spec.architecture, report.passed, report.artifact["sha256"])
"""
CLASS = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.act = nn.Linear(144, 4), lambda x: x.relu()
    def forward(self, x):
        return self.fc(self.act(x.flatten(1)))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("source", "name"), [(CLASS, "in-memory:Net"), ("from net import Net", "net.py:Net@")])
def test_the_same_module_gives_the_same_bytes_in_another_process(source, name, tmp_path):
    """Also from another folder, when exported again, and for a class without a source, as in a notebook."""
    found = []
    for times in (1, 2):
        folder = tmp_path / str(times)
        folder.mkdir()
        (folder / "net.py").write_text(f"from torch import nn\n{CLASS}")
        words = [sys.executable, "-", "out", str(times)]
        script = SCRIPT.format(source=source)
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, input=script)
        assert done.returncode == 0, done.stderr
        found += done.stdout.splitlines()
        for path in (folder / "out").iterdir():
            assert str(tmp_path).encode() not in path.read_bytes()
    assert found[0:2] == found[2:4] == found[4:6]
    assert all(line.startswith(name) and " True " in line for line in found)


OWN = """
from torch import nn

class Own(nn.Module):
    input_shape = (1, 12, 12)

    def __init__(self, act="relu"):
        super().__init__()
        self.fc, self.act = nn.Linear(144, 4), act

    def forward(self, x):
        return getattr(self.fc(x.flatten(1)), self.act)()
"""


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_checkpoint_is_saved_and_loaded_with_the_classs_file(tmp_path, monkeypatch, suffix):
    """A module does not tell the arguments of its constructor: others are found by the logits."""
    (tmp_path / "own.py").write_text(OWN, encoding="ascii")
    monkeypatch.chdir(tmp_path)
    architecture = models.resolve("own.py:Own")
    module = architecture.factory(act="tanh").eval()
    path = tmp_path / f"own{suffix}"
    lenetx.save(Checkpoint.of(module), path)
    with pytest.raises(CheckpointError, match="custom code"):
        lenetx.load(path)
    with pytest.raises(CheckpointError, match=r"other logits than own.py:Own does .* by --arch-arg"):
        lenetx.load_weights(path, architecture="own.py:Own")
    loaded = lenetx.load_weights(path, architecture="own.py:Own", arguments={"act": "tanh"})
    assert same(loaded, module)
    lenetx.save(loaded, tmp_path / "again.pt")
    again = lenetx.load_weights(tmp_path / "again.pt", architecture="own.py:Own", arguments={"act": "tanh"})
    assert again.spec == loaded.spec


def test_a_checkpoint_of_a_class_without_a_file_needs_the_users_word(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(OWN, encoding="ascii")
    monkeypatch.chdir(tmp_path)
    space = {"__name__": "nowhere"}
    exec(OWN, space)  # as in a notebook
    module = space["Own"]().eval()
    checkpoint = Checkpoint.of(module)
    assert checkpoint.spec.architecture == "in-memory:Own"
    lenetx.save(checkpoint, tmp_path / "own.pt")
    with pytest.raises(CheckpointError, match=r"weights of in-memory:Own, not of own.py:Own.*--accept-code"):
        lenetx.load_weights(tmp_path / "own.pt", architecture="own.py:Own")
    options = lenetx.WeightsOptions("own.py:Own", accept_code=True)
    assert same(lenetx.load_weights(tmp_path / "own.pt", weights_options=options), module)
