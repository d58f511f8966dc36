"""What a network returns is found by looking, recorded, and made probabilities of only once."""

import numpy as np
import pytest
import torch

import lenetx
from lenetx import models, train
from lenetx.graph.output import output_of
from lenetx.training import TrainConfig
from lenetx_runtime import Classifier

SOURCE = """
import torch
from torch import nn

class Net(nn.Module):
    input_shape = (1, 28, 28)
    def __init__(self, num_classes=10, end="logits"):
        super().__init__()
        self.conv, self.fc, self.end = nn.Conv2d(1, 6, 5, stride=4), nn.Linear(216, num_classes), end
    def forward(self, x):
        x = self.fc(self.conv(x).relu().flatten(1))
        if self.end == "softmax":
            return x.softmax(1)
        if self.end == "by hand":
            return x.exp() / x.exp().sum(1, keepdim=True)
        if self.end == "reshaped":
            return x.softmax(1).unsqueeze(2).squeeze(2)
        if self.end == "log_softmax":
            return nn.functional.log_softmax(x, dim=1)
        if self.end == "log":
            return x.softmax(-1).log()
        if self.end == "sub":
            return x - x.logsumexp(1, keepdim=True)
        if self.end == "sigmoid":
            return x.sigmoid()
        if self.end == "logsigmoid":
            return nn.functional.logsigmoid(x)
        if self.end == "gate":
            return x * x.sigmoid()
        if self.end == "over images":
            return x.softmax(0)
        if self.end == "scaled":
            return x / 10
        return x
"""


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "net.py"
    path.write_text(SOURCE)
    return f"{path}:Net"


@pytest.mark.parametrize(
    ("end", "output"),
    [
        ("logits", "logits"),
        ("gate", "logits"),
        ("scaled", "logits"),
        ("over images", "logits"),
        ("softmax", "probabilities"),
        ("by hand", "probabilities"),
        ("reshaped", "probabilities"),
        ("sigmoid", "probabilities"),
        ("log_softmax", "log_probabilities"),
        ("log", "log_probabilities"),
        ("sub", "log_probabilities"),
        ("logsigmoid", "log_probabilities"),
    ],
)
def test_the_last_operator_and_the_numbers_tell(net, end, output):
    architecture = models.resolve(net, {"end": end})
    network = architecture.build((1, 28, 28), 10).train()
    assert output_of(network, architecture, (1, 28, 28)) == output
    assert network.training


@pytest.mark.parametrize(
    ("end", "loss", "words"),
    [
        ("softmax", "cross-entropy", "returns probabilities, and cross-entropy applies a softmax to them again"),
        ("sigmoid", "nll", "return the logits instead"),
        ("log_softmax", "cross-entropy", "use --loss nll"),
        ("log_softmax", "nll", None),
        ("softmax", "mse", None),
        ("logits", "cross-entropy", None),
    ],
)
def test_training_says_that_the_loss_is_applied_twice(net, end, loss, words):
    config = TrainConfig(architecture=net, architecture_args={"end": end}, loss=loss, epochs=1, batch_size=400)
    notices = []
    train(config, on_notice=notices.append)
    said = [each for each in notices if each.startswith("net.py:Net returns")]
    assert len(said) == (words is not None)
    assert words is None or words in said[0]


@pytest.mark.parametrize("end", ["softmax", "log_softmax", "sigmoid"])
def test_probabilities_are_those_of_the_network(tmp_path, net, saved, end):
    torch.manual_seed(0)
    network = models.resolve(net, {"end": end}).build((1, 28, 28), 10).eval()
    (tmp_path / "w.pth").write_bytes(saved(network.state_dict()))
    stated = lenetx.Statement("stretch")
    found = lenetx.load_weights(tmp_path / "w.pth", architecture=net, arguments={"end": end}, stated=stated)
    (report,) = lenetx.export(found, ["onnx"], folder=tmp_path)
    assert report.passed
    classifier = Classifier(next(tmp_path.glob("*.onnx")))
    image = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    with torch.no_grad():
        right = network(torch.from_numpy(image)[None, None] / 255)[0]
    right = right.exp() if end == "log_softmax" else right
    for opened in (classifier, lenetx.classifier(next(tmp_path.glob("*.onnx")))):
        probabilities = dict(opened.predict(image).probabilities)
        assert [probabilities[str(label)] for label in range(10)] == pytest.approx(right.tolist(), abs=1e-5)
