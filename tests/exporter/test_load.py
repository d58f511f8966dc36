"""Weights from elsewhere become checkpoints that say what is known of them, and no more."""

import dataclasses

import numpy as np
import pytest
import torch

import lenetx
from lenetx import Statement, models
from lenetx.errors import CheckpointError, InputError, UnknownName

OWN = """
from torch import nn
def net(num_classes=4):
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, num_classes))
"""


@pytest.fixture
def own(tmp_path):
    """The name of a custom network that does not state its input."""
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path / 'own.py'}:net"


def test_nothing_is_claimed_that_nobody_said(plain, checkpoint):
    found = lenetx.load_weights(plain, architecture="lenet5")
    spec = found.spec
    assert (spec.architecture, spec.input_shape, spec.framing) == ("lenet5", (1, 32, 32), "unknown")
    assert spec.labels == tuple("0123456789")
    assert spec.weights_sha256 == checkpoint.spec.weights_sha256
    assert (found.metrics, found.history, found.config["data"]) == ({}, (), None)
    assert found.config["source"]["name"] == "plain.pth"
    assert str(plain.parent) not in str(found.config)
    assert torch.equal(found.module().fc3.bias, checkpoint.state_dict["fc3.bias"])


def test_without_an_architecture_the_tensors_are_listed_and_what_they_fit(plain):
    with pytest.raises(InputError) as caught:
        lenetx.load_weights(plain)
    for words in ("--arch", "fit lenet5, lenet5-1998", "conv1.weight [6, 1, 5, 5]", "fc3.bias [10]"):
        assert words in str(caught.value)


def test_tensors_that_fit_nothing_are_listed_up_to_a_number(tmp_path, saved):
    (tmp_path / "many.pt").write_bytes(saved({f"layer{number}": torch.ones(2) for number in range(30)}))
    with pytest.raises(InputError, match=r"fit none of the built-in networks.*layer19 \[2\] and 10 more\.$"):
        lenetx.load_weights(tmp_path / "many.pt")


def test_weights_of_another_network_are_told_tensor_by_tensor(plain):
    with pytest.raises(CheckpointError) as caught:
        lenetx.load_weights(plain, architecture="lenet5-3x3")
    assert "conv1.weight has shape [6, 1, 5, 5] instead of [6, 1, 3, 3]" in str(caught.value)
    with pytest.raises(UnknownName, match="Did you mean 'lenet5'"):
        lenetx.load_weights(plain, architecture="lenet55")


def test_the_number_of_classes_is_that_of_the_weights(tmp_path, saved):
    (tmp_path / "letters.pt").write_bytes(saved(models.build("lenet5", (1, 32, 32), 26).state_dict()))
    found = lenetx.load_weights(tmp_path / "letters.pt", architecture="lenet5")
    assert found.spec.labels == tuple(map(str, range(26)))


HEAD_FIRST = """
from torch import nn
class Net(nn.Module):
    def __init__(self, num_classes=10, per_class=1):
        super().__init__()
        self.out = nn.Linear(6, num_classes * per_class)  # registered before what comes before it
        self.conv = nn.Conv2d(1, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.per_class = per_class
    def forward(self, x):
        return self.out(self.norm(self.conv(x)).mean((2, 3))).unflatten(1, (-1, self.per_class)).amax(2)

def fixed():
    return Net(7)
"""


@pytest.fixture
def head_first(tmp_path):
    (tmp_path / "net.py").write_text(HEAD_FIRST)
    return f"{tmp_path / 'net.py'}:"


@pytest.mark.parametrize(
    ("name", "classes", "arguments"),
    [("Net", 4, {}), ("Net", 10, {}), ("Net", 5, {"per_class": 3}), ("Net", 7, {"num_classes": 7}), ("fixed", 7, {})],
)
def test_classes_are_found_wherever_the_last_layer_is_registered(tmp_path, saved, head_first, name, classes, arguments):
    built = models.resolve(head_first + name, arguments).build((1, 32, 32), classes)
    (tmp_path / "w.pth").write_bytes(saved(built.state_dict()))
    found = lenetx.load_weights(tmp_path / "w.pth", architecture=head_first + name, arguments=arguments)
    assert len(found.spec.labels) == classes


@pytest.mark.parametrize("kept", [(), (torch.tensor(3.0),)], ids=["none", "floats"])
def test_batch_norms_without_counters_of_batches_load(tmp_path, saved, kept):
    state = models.build("lenet5-bn", (1, 32, 32), 10).state_dict()
    counters = [name for name in state if name.endswith("num_batches_tracked")]
    others = {name: tensor for name, tensor in state.items() if name not in counters}
    (tmp_path / "w.pth").write_bytes(saved(others | {name: value for name in counters for value in kept}))
    found = lenetx.load_weights(tmp_path / "w.pth", architecture="lenet5-bn")
    assert list(found.state_dict) == list(state)
    assert found.module()


def test_an_artifact_of_lenetx_brings_its_own_spec(published, checkpoint):
    found = lenetx.load_weights(published / "lenet5.torchscript")
    told = dataclasses.replace(found.spec, producer=checkpoint.spec.producer, selftest=checkpoint.spec.selftest)
    assert told == checkpoint.spec
    assert list(found.state_dict) == list(checkpoint.state_dict)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32_exactly(tmp_path, saved, checkpoint, dtype):
    half = {name: tensor.to(dtype) for name, tensor in checkpoint.state_dict.items()}
    (tmp_path / "half.pt").write_bytes(saved(half))
    notices = []
    found = lenetx.load_weights(tmp_path / "half.pt", architecture="lenet5", on_notice=notices.append)
    assert all(torch.equal(found.state_dict[name].to(dtype), half[name]) for name in half)
    assert notices == []


def test_double_precision_is_rounded_and_that_is_said(tmp_path, saved, checkpoint):
    double = {name: tensor.double() for name, tensor in checkpoint.state_dict.items()}
    double["fc3.bias"][:3] += 1e-12
    (tmp_path / "double.pt").write_bytes(saved(double))
    notices = []
    found = lenetx.load_weights(tmp_path / "double.pt", architecture="lenet5", on_notice=notices.append)
    assert found.state_dict["fc3.bias"].dtype == torch.float32
    assert notices == ["3 of 61,706 float64 weights were rounded to float32."]


def test_an_input_that_nobody_says_is_assumed_where_it_fits_and_the_report_says_so(tmp_path, saved, own):
    torch.manual_seed(0)
    network = models.resolve(own).build((1, 32, 32), 7)
    (tmp_path / "own.pt").write_bytes(saved(network.state_dict()))
    notices = []
    found = lenetx.load_weights(tmp_path / "own.pt", architecture=own, on_notice=notices.append)
    assert (found.spec.input_shape, len(found.spec.labels)) == ((1, 32, 32), 7)
    assert len(notices) == 1
    assert "1×32×32, assumed" in notices[0]
    (report,) = lenetx.export(found, ["onnx"], folder=tmp_path / "out")
    assert "1×32×32, assumed" in report.reference["input"]
    stated = Statement(input_size=(20, 24), channels=1)
    told = lenetx.load_weights(tmp_path / "own.pt", architecture=own, stated=stated, on_notice=notices.append)
    assert told.spec.input_shape == (1, 20, 24)
    assert len(notices) == 1


def test_where_32_does_not_fit_the_size_of_mnist_is_assumed(tmp_path, saved):
    (tmp_path / "net.py").write_text(
        "from torch import nn\ndef net(classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(784, classes))\n"
    )
    name = f"{tmp_path / 'net.py'}:net"
    (tmp_path / "w.pth").write_bytes(saved(models.resolve(name).build((1, 28, 28), 5).state_dict()))
    notices = []
    found = lenetx.load_weights(tmp_path / "w.pth", architecture=name, on_notice=notices.append)
    assert (found.spec.input_shape, len(found.spec.labels)) == ((1, 28, 28), 5)
    assert "1×28×28, assumed" in notices[0]


def test_what_is_exported_refuses_pictures_and_takes_inputs(plain, tmp_path, checkpoint):
    found = lenetx.load_weights(plain, architecture="lenet5")
    (report,) = lenetx.export(found, ["onnx"], folder=tmp_path / "out")
    assert report.passed
    status = {check.name: check.status for check in report.checks}
    assert {status[name] for name in ("random inputs", "constant images", "saturated images", "self-test")} == {
        "passed"
    }
    assert {status[name] for name in ("real inputs", "labels")} == {"not_run"}
    assert "no real images seen" in report.conclusion
    classifier = lenetx.classifier(tmp_path / "out" / "lenet5.onnx")
    with pytest.raises(InputError, match="does not record how a picture becomes its input"):
        classifier.predict(np.zeros((32, 32), np.uint8))
    inputs = np.random.default_rng(0).standard_normal((2, 1, 32, 32), np.float32)
    expected = checkpoint.module()(torch.from_numpy(inputs)).detach().numpy()
    assert np.allclose(classifier.logits(inputs), expected, atol=1e-5)


def test_real_images_need_a_framing(plain):
    unknown = lenetx.load_weights(plain, architecture="lenet5")
    with pytest.raises(InputError, match=r"do not record how images of digits become inputs.*--framing"):
        lenetx.reference(unknown, data_name="digits")
    known = lenetx.load_weights(plain, architecture="lenet5", stated=Statement("mnist"))
    assert lenetx.reference(known, data_name="digits").real is not None


def test_weights_that_are_transposed_are_told_so(tmp_path, saved, checkpoint):
    turned = {name: each.t() if each.ndim == 2 else each for name, each in checkpoint.state_dict.items()}
    (tmp_path / "keras.pth").write_bytes(saved(turned))
    with pytest.raises(CheckpointError) as caught:
        lenetx.load_weights(tmp_path / "keras.pth", architecture="lenet5")
    assert "fc3.weight has shape [84, 10] instead of [10, 84], which is it transposed" in str(caught.value)


@pytest.mark.parametrize(
    "wrapped", ["torch.compile(net())", "nn.DataParallel(net())", "nn.DataParallel(torch.compile(net()))"]
)
def test_wrappers_of_a_network_are_taken_off_and_lazy_layers_get_their_shapes(tmp_path, saved, wrapped):
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\n"
        "def net():\n    return nn.Sequential(nn.LazyConv2d(2, 5), nn.MaxPool2d(4), nn.Flatten(), nn.LazyLinear(6))\n"
        f"def wrapped():\n    return {wrapped}\n"
    )
    name = f"{tmp_path / 'net.py'}:"
    network = models.resolve(name + "net").build((1, 28, 28), 6)
    (tmp_path / "w.pth").write_bytes(saved({f"module._orig_mod.{k}": v for k, v in network.state_dict().items()}))
    stated = Statement(input_size=(28, 28), channels=1)
    found = lenetx.load_weights(tmp_path / "w.pth", architecture=name + "wrapped", stated=stated)
    assert len(found.spec.labels) == 6
    inputs = torch.randn(2, 1, 28, 28)
    assert torch.equal(found.module()(inputs), network.eval()(inputs))
