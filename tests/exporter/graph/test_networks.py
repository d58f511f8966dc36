"""What we export does what the network's own code does: every network in ONNX and TorchScript, in every opset."""

import pytest

from lenetx import models
from lenetx.formats.onnx import OPSETS
from lenetx.graph import Expression, Unknown, difference

from .conftest import exported, known

SMALL = (3, 64, 64)
TORCHVISION = ("resnet18", "squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large")


@pytest.mark.slow
@pytest.mark.parametrize("batch", ["dynamic", 1])
@pytest.mark.parametrize("opset", OPSETS)
def test_every_opset(opset, batch):
    own = known("lenet5")
    assert difference(own.expression, own.onnx(exported("onnx", "lenet5", batch=batch, opset=opset))) is None


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [name for name in models.names() if name != "lenet5"])
@pytest.mark.parametrize(("opset", "batch"), [(14, "dynamic"), (18, "dynamic"), (18, 2), (23, 1)])
def test_built_in_networks(architecture, opset, batch):
    own = known(architecture)
    assert difference(own.expression, own.onnx(exported("onnx", architecture, batch=batch, opset=opset))) is None


@pytest.mark.parametrize("batch", ["dynamic", 1, 2])
@pytest.mark.parametrize("architecture", models.names())
def test_built_in_networks_in_torchscript(architecture, batch):
    own = known(architecture)
    found = own.torchscript(exported("torchscript", architecture, batch=batch))
    assert difference(own.expression, found) is None


@pytest.mark.slow
@pytest.mark.parametrize("batch", ["dynamic", 1, 2])
@pytest.mark.parametrize("architecture", models.names())
def test_built_in_networks_in_pt2(architecture, batch):
    own = known(architecture)
    assert difference(own.expression, own.pt2(exported("pt2", architecture, batch=batch))) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_networks_of_torchvision(name):
    own = known(f"torchvision:{name}", SMALL)
    assert isinstance(own.expression, Expression)
    assert difference(own.expression, own.onnx(exported("onnx", f"torchvision:{name}", SMALL))) is None
    assert difference(own.expression, own.torchscript(exported("torchscript", f"torchvision:{name}", SMALL))) is None
    assert difference(own.expression, own.pt2(exported("pt2", f"torchvision:{name}", SMALL))) is None


def test_what_has_no_canonical_form_is_named():
    """Swin writes the mask of its shifted windows into a tensor in place."""
    found = known("torchvision:swin_t", SMALL).expression
    assert isinstance(found, Unknown)
    assert "in place" in found.reason


def test_networks_that_are_alike_but_for_one_thing_differ():
    found = known("lenet5-1998").onnx(exported("onnx", "lenet5-1998"))
    assert difference(known("lenet5").expression, found) == (
        "Behind conv1 the network's code has max-pooling 2×2, stride 2; the artifact has tanh."
    )


def test_lenet5_takes_no_time(lenet5, benchmark_seconds):
    contents = exported("onnx", "lenet5")
    assert benchmark_seconds(lambda: difference(lenet5.expression, lenet5.onnx(contents))) < 0.05
