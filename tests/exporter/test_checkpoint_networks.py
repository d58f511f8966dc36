"""Checkpoints of custom networks: which code is run is never the file's choice."""

import dataclasses
import re
import sys

import pytest
import torch

import lenetx
from lenetx import WeightsOptions, models
from lenetx.errors import CheckpointError, InputError
from lenetx.models.identity import is_same
from lenetx.publishing import inspection
from lenetx.weights.checkpoint import Checkpoint
from lenetx.weights.plain_tensors import weights_sha256

NET = """
from pathlib import Path
from torch import nn

Path("it-ran").touch()

class Net(nn.Sequential):
    def __init__(self, classes, width=4):
        super().__init__(nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, classes))
"""


@pytest.fixture
def own(tmp_path, monkeypatch, checkpoint):
    """A checkpoint of ``net.py:Net`` in the current folder, before its code was ever run there."""
    monkeypatch.chdir(tmp_path)
    source = f"# of {tmp_path.name}\n{NET}"
    (tmp_path / "net.py").write_text(source, encoding="ascii")
    network = models.resolve("net.py:Net", {"width": 5})
    weights = network.build((1, 28, 28), 10).state_dict()
    spec = dataclasses.replace(
        checkpoint.spec,
        architecture=network.name,
        height=28,
        width=28,
        padding=0,
        weights_sha256=weights_sha256(weights),
        selftest=None,
    )
    config = {"data": "digits", "architecture_args": {"width": 5}}
    lenetx.save(Checkpoint(spec, weights, {}, config, (), network), tmp_path / "net.pt")
    (tmp_path / "it-ran").unlink()
    del sys.modules[f"lenetx_network_{network.name.split('@')[1]}"]
    return tmp_path / "net.pt"


def test_it_is_rebuilt_when_the_user_names_its_code(own):
    found = lenetx.load(own, architecture="./net.py:Net")
    assert found.module()(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert found.module()[1].out_features == 5


def test_without_that_nothing_is_run(own, tmp_path):
    with pytest.raises(CheckpointError, match=r"custom code.*name it with --arch\."):
        lenetx.load(own)
    assert not (tmp_path / "it-ran").exists()


def test_it_can_be_looked_at_without_its_code(own, tmp_path):
    found = inspection.inspect(own)
    assert {each.name for each in found.parameters} == {"1.weight", "1.bias", "3.weight", "3.bias"}
    assert not (tmp_path / "it-ran").exists()


def test_another_version_of_its_code_is_told_with_both_digests_and_may_be_accepted(own, tmp_path):
    before = lenetx.load(own, architecture="net.py:Net")
    (tmp_path / "net.py").write_text(NET.replace("nn.ReLU()", "nn.Tanh()"), encoding="ascii")
    digest = r"net\.py:Net \(digest of its source: \w{16}\)"
    with pytest.raises(CheckpointError, match=rf"weights of {digest}, not of {digest}: add --accept-code if"):
        lenetx.load(own, architecture="net.py:Net")
    notices = []
    options = WeightsOptions("net.py:Net", accept_code=True)
    found = lenetx.load_weights(own, weights_options=options, on_notice=notices.append)
    assert re.fullmatch(rf"'net.pt': {digest} was accepted in place of {digest}\.", notices[0])
    assert found.config["accepted_code"] == before.spec.architecture != found.spec.architecture
    assert found.spec.weights_sha256 == before.spec.weights_sha256
    (report,) = lenetx.export(found, ["onnx"], folder=tmp_path / "out")
    assert report.reference["code"].startswith("changed: net.py:Net (digest")
    assert str(tmp_path) not in report.to_json()


def test_code_of_an_equal_digest_under_another_name_is_the_same(own, tmp_path):
    (tmp_path / "net.py").rename(tmp_path / "model.py")
    found = lenetx.load(own, architecture="model.py:Net")
    assert found.spec.architecture.startswith("net.py:Net@")
    assert found.module()(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    lenetx.export(found, ["onnx", "torchscript"], folder=tmp_path / "out")
    for name in ("net.onnx", "net.torchscript"):
        options = WeightsOptions("model.py:Net")
        assert lenetx.verify(tmp_path / "out" / name, against=own, weights_options=options).passed


@pytest.mark.parametrize(
    ("recorded", "named", "same"),
    [
        ("net.py:Net@aa", "other.py:Net@aa", True),
        ("net.py:Net@aa", "net.py:Net@bb", False),
        ("net.py:Net@aa", "net.py:Other@aa", False),
        ("lenet5", "lenet5", True),
        ("lenet5", "lenet5-1998", False),
        ("net:Net", "net:Net@aa", True),
        ("net:Net", "other:Net@aa", False),
    ],
)
def test_code_is_known_by_its_class_and_digest(recorded, named, same):
    assert is_same(recorded, named) == same


def test_another_network_is_refused(own):
    with pytest.raises(
        CheckpointError, match=r"weights of net\.py:Net \(digest of its source: \w{16}\), not of lenet5: missing"
    ):
        lenetx.load(own, architecture="lenet5")


def forged(checkpoint, path, architecture, **config):
    spec = dataclasses.replace(checkpoint.spec, architecture=architecture)
    lenetx.save(dataclasses.replace(checkpoint, spec=spec, config={"data": "digits"} | config), path)
    return path


@pytest.mark.parametrize("name", ["os:system", "net.py:Net", "/tmp/net.py:Net", "net:Net", "subprocess:run"])
def test_a_hostile_name_imports_nothing(checkpoint, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "net.py").write_text(NET, encoding="ascii")
    path = forged(checkpoint, tmp_path / "forged.pt", name, architecture_args={"command": "touch it-ran"})
    with pytest.raises(CheckpointError, match="name it with --arch"):
        lenetx.load(path)
    inspection.inspect(path)
    with pytest.raises(CheckpointError, match="name it with --arch"):
        lenetx.classifier(path)
    assert not (tmp_path / "it-ran").exists()


def test_a_file_asks_torchvision_for_no_weights(checkpoint, tmp_path):
    path = forged(checkpoint, tmp_path / "f.pt", "torchvision:squeezenet1_1", architecture_args={"weights": "DEFAULT"})
    with pytest.raises(CheckpointError, match="its weights are random"):
        lenetx.load(path)


def test_a_file_cannot_ask_for_all_memory(checkpoint, tmp_path):
    """The network is built without numbers first: these layers would have 2^50 of them."""
    arguments = {"width_per_group": 2**24}
    path = forged(checkpoint, tmp_path / "f.pt", "torchvision:resnext50_32x4d", architecture_args=arguments)
    with pytest.raises(CheckpointError, match="is not a usable checkpoint"):
        lenetx.load(path)
    path = forged(checkpoint, tmp_path / "f.pt", "torchvision:resnet50", architecture_args=arguments)
    with pytest.raises(CheckpointError, match="is not a usable checkpoint"):
        lenetx.load(path)


def test_arguments_that_are_no_mapping_are_no_checkpoint(checkpoint, tmp_path):
    with pytest.raises(CheckpointError, match="not a lenetx checkpoint"):
        lenetx.load(forged(checkpoint, tmp_path / "f.pt", "lenet5", architecture_args=[1]))


def test_an_artifact_has_no_use_for_a_name(published):
    with pytest.raises(InputError, match="holds its network"):
        lenetx.classifier(published / "lenet5.onnx", architecture="lenet5")
