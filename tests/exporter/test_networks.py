"""Networks of all kinds, from training to the published files: what is trained is what is proven and predicted."""

import dataclasses

import numpy as np
import onnx
import pytest
import torch

import lenetx
from lenetx import data, formats, models
from lenetx.errors import InputError
from lenetx.formats.network import Network
from lenetx.proof import Reference, prove
from lenetx.weights.checkpoint import Checkpoint
from lenetx.weights.plain_tensors import weights_sha256
from lenetx_runtime import ModelSpec

ZOO = """
import torch
from torch import nn
from torch.nn import functional as F


class Preactivated(nn.Module):
    def __init__(self, num_classes, in_channels):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(in_channels, 4, 5, stride=2), nn.BatchNorm2d(4)
        self.conv, self.fc = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(8, num_classes)

    def forward(self, x):
        x = self.stem(x)
        x = torch.cat([x + 0.3 * self.conv(F.relu(self.norm(x), inplace=True)), F.hardtanh(x, -1.5, 2.5)], 1)
        return self.fc(F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1))


class Shuffled(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.conv, self.rows = nn.Conv2d(1, 4, 5, stride=4, bias=False), nn.Linear(36, 36)
        self.bn, self.unused = nn.BatchNorm2d(4), nn.Linear(3, 3)
        self.slope, self.fc = nn.PReLU(), nn.Linear(4, num_classes)

    def forward(self, x):
        x = self.slope(self.bn(self.conv(x)))
        batch, channels, height, width = x.size()
        x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height * width)
        x = F.gelu(self.rows(x)) + F.silu(self.rows(x)) * torch.sigmoid(x)
        return self.fc(F.dropout(x, 0.5, self.training).mean(2))


class Tied(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.first = nn.Linear(784, 32, bias=False)
        self.second = nn.Linear(32, 32)
        self.third = self.second
        self.fc = nn.Linear(32, num_classes)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x):
        return self.fc(self.third(F.elu(self.second(self.first(x.flatten(1))), 0.7)).tanh())
"""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    path = tmp_path_factory.mktemp("nets") / "zoo.py"
    path.write_text(ZOO, encoding="ascii")
    return path


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("lenet5-bn", "lenet5-dropout", "Preactivated", "Shuffled", "Tied")
    ],
)
def test_from_training_to_prediction(zoo, tmp_path, name):
    architecture = f"{zoo}:{name}" if name[0].isupper() else name
    path = tmp_path / "net.pt"
    lenetx.save(lenetx.train(lenetx.TrainConfig(architecture=architecture, epochs=1, batch_size=64)), path)
    checkpoint = lenetx.load(path, architecture=architecture)
    reports = lenetx.export(checkpoint, folder=tmp_path, stem="net")
    assert [report.passed for report in reports] == [True, True]
    images = list(data.load("digits").test.images[:5])
    eager = lenetx.classifier(path, architecture=architecture).predict_batch(images)
    for kind in ("onnx", "torchscript"):
        assert lenetx.verify(tmp_path / f"net{formats.suffix(kind)}", against=checkpoint).passed
        found = lenetx.classifier(tmp_path / f"net{formats.suffix(kind)}").predict_batch(images)
        np.testing.assert_allclose(
            [each.probability for each in found], [each.probability for each in eager], atol=1e-5
        )
    assert str(zoo.parent) not in path.read_bytes().decode("latin-1")
    assert all(
        str(zoo.parent).encode() not in (tmp_path / f"net{formats.suffix(kind)}").read_bytes()
        for kind in formats.DEFAULT
    )


def untrained(architecture, shape, arguments=None):
    """A checkpoint of random weights behind a spec for pictures."""
    network = models.resolve(architecture, arguments)
    torch.manual_seed(0)
    weights = network.build(shape, 10).state_dict()
    channels, height, width = shape
    spec = ModelSpec(
        architecture=network.name,
        channels=channels,
        height=height,
        width=width,
        padding=0,
        scale=1 / 255,
        mean=(0.5,) * channels,
        std=(0.3,) * channels,
        labels=tuple("0123456789"),
        weights_sha256=weights_sha256(weights),
        producer="lenetx test",
        framing="stretch",
        polarity="as_is",
    )
    return Checkpoint(spec, weights, {}, {"data": "digits", "architecture_args": arguments or {}}, (), network)


def proven(checkpoint, folder, kind, against=None, **options):
    path = folder / f"net{formats.suffix(kind)}"
    path.write_bytes(formats.get(kind).export(Network(checkpoint), **{"batch": "dynamic"} | options))
    return prove(formats.open_artifact(path), Reference(against or checkpoint, None))


COSTLY = ("executorch", "c", "native")
SOME_SLOW = [pytest.param(kind, marks=[pytest.mark.slow] * (kind in COSTLY)) for kind in formats.FORMATS]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["squeezenet1_1", "shufflenet_v2_x0_5"])
@pytest.mark.parametrize("kind", formats.FORMATS)
def test_a_network_of_torchvision(tmp_path, name, kind):
    if name == "shufflenet_v2_x0_5" and kind in ("c", "native"):
        with pytest.raises(InputError, match=r"Transpose '.*' is an operator that lenetx does not write as C"):
            proven(untrained(f"torchvision:{name}", (3, 32, 32)), tmp_path, kind)
        return
    report = proven(untrained(f"torchvision:{name}", (3, 32, 32)), tmp_path, kind)
    assert report.passed, report.failures


@pytest.mark.parametrize(
    ("name", "options"), [("Preactivated", {"batch": 3}), ("Shuffled", {"opset": 14}), ("Preactivated", {"opset": 23})]
)
def test_fixed_batches_and_other_opsets(zoo, tmp_path, name, options):
    report = proven(untrained(f"{zoo}:{name}", (1, 28, 28)), tmp_path, "onnx", **options)
    assert report.passed, report.failures


def test_an_opset_that_an_operator_does_not_reach_is_refused(zoo):
    checkpoint = untrained(f"{zoo}:Preactivated", (1, 28, 28))
    with pytest.raises(InputError, match=r"cannot be written in opset 14; try a later one: .*BatchNormalization"):
        formats.get("onnx").export(Network(checkpoint), batch="dynamic", opset=14)


@pytest.mark.parametrize("name", ["Shuffled", "Preactivated"])
def test_no_arithmetic_of_shapes_is_left_in_an_onnx_file(zoo, name):
    model = onnx.load_from_string(formats.get("onnx").export(Network(untrained(f"{zoo}:{name}", (1, 28, 28)))))
    assert not {node.op_type for node in model.graph.node} & {"Shape", "Gather", "Constant", "Cast"}


@pytest.mark.parametrize("kind", SOME_SLOW)
def test_a_fold_with_another_epsilon_fails_the_proof(tmp_path, kind):
    """The logits differ by less than their limit would need: the folded weights are compared bit for bit."""
    checkpoint = untrained("lenet5-bn", (1, 32, 32))
    reference = Reference(checkpoint, None)
    assert reference.network.usage.tensors.keys() == models.build("lenet5", (1, 32, 32), 10).state_dict().keys()
    wrong = dataclasses.replace(checkpoint, network=dataclasses.replace(checkpoint.network, factory=other_epsilon))
    path = tmp_path / f"net{formats.suffix(kind)}"
    path.write_bytes(formats.get(kind).export(Network(wrong), batch="dynamic"))
    report = prove(formats.open_artifact(path), reference)
    assert "weights" in [check.name for check in report.failures]


def other_epsilon(**arguments):
    network = models.resolve("lenet5-bn").factory(**arguments)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            module.eps *= 1.1
    return network


@pytest.mark.slow
@pytest.mark.parametrize("batch", ["dynamic", 3])
@pytest.mark.parametrize("name", [*models.names(), "Preactivated", "Shuffled", "Tied"])
def test_every_network_as_pt2(zoo, tmp_path, name, batch):
    architecture = f"{zoo}:{name}" if name[0].isupper() else name
    shape = (1, 28, 28) if name[0].isupper() else models.input_shape(name)
    report = proven(untrained(architecture, shape), tmp_path, "pt2", batch=batch)
    assert report.passed
    statuses = {check.name: check.status for check in report.checks}
    assert {statuses[each] for each in ("weights", "numbers", "graph", "training operators")} == {"passed"}


def test_the_numbers_of_the_code_are_part_of_the_proof(zoo, tmp_path):
    checkpoint = untrained(f"{zoo}:Preactivated", (1, 28, 28))
    other = zoo.with_name("other.py")
    other.write_text(ZOO.replace("2.5)", "2.5000001)").replace("0.3 *", "0.3000001 *"), encoding="ascii")
    changed = dataclasses.replace(checkpoint, network=models.resolve(f"{other}:Preactivated"))
    for kind in formats.DEFAULT:
        failed = [check.name for check in proven(changed, tmp_path, kind, against=checkpoint).failures]
        assert failed == ["numbers", "graph"]


def test_the_same_seed_gives_the_same_dropout_and_leaves_the_callers_random_state():
    config = lenetx.TrainConfig(architecture="lenet5-dropout", epochs=1, batch_size=64, seed=3)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = lenetx.train(config)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = lenetx.train(config)
    assert first.spec.weights_sha256 == second.spec.weights_sha256
    other = lenetx.train(dataclasses.replace(config, seed=4))
    assert other.spec.weights_sha256 != first.spec.weights_sha256


def test_names_of_weights_that_share_their_bits_are_all_kept(tmp_path):
    checkpoint = untrained("lenet5-bn", (1, 32, 32))
    zeros = {name: torch.zeros_like(t) if "fc2" in name else t for name, t in checkpoint.state_dict.items()}
    spec = dataclasses.replace(checkpoint.spec, weights_sha256=weights_sha256(zeros), selftest=None)
    same = dataclasses.replace(checkpoint, state_dict=zeros, spec=spec)
    contents = formats.get("torchscript").export(Network(same), batch="dynamic")
    (tmp_path / "net.torchscript").write_bytes(contents)
    opened = formats.open_artifact(tmp_path / "net.torchscript")
    assert opened.weights.keys() == Reference(same, None).network.usage.tensors.keys()
