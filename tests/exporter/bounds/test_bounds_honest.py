"""What the bounds must allow: every network that is built in, and averages of many equal numbers."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from lenetx import bounds, models
from lenetx.bounds.measure import plan
from lenetx.graph.tape import record

PIXELS = 224
LEVELS = np.linspace(1, 8, 41, dtype=np.float32)


@pytest.mark.parametrize("name", models.names())
def test_the_adjoint_bound_holds_for_every_network(name):
    """A batch norm gives its statistics as well, which are not of a batch's size and which nothing reads."""
    shape = models.input_shape(name)
    network = models.build(name, shape, 10).eval()
    found = plan(network, shape, 100)
    assert (found.method, found.reason, found.inapplicable) == ("adjoint", "", False)


def plain_images():
    """One channel for each level, the same at every pixel."""
    return np.broadcast_to(LEVELS[None, :, None, None], (1, len(LEVELS), PIXELS, PIXELS)).copy()


def one_after_the_other(images):
    rows = images.reshape(len(LEVELS), -1)
    return np.add.accumulate(rows, axis=1, dtype=np.float32)[:, -1] / np.float32(PIXELS**2)


def by_onnxruntime(images):
    shape = list(images.shape)
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["x"], ["y"])],
        "average",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [*shape[:2], 1, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": images})[0].ravel()


@pytest.mark.parametrize("average", [one_after_the_other, by_onnxruntime])
def test_equal_numbers_err_together_in_an_average(average):
    """As random numbers their roundings would be far smaller: by the root of their number."""
    images = plain_images()
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    limits = bounds.limits(record(network, torch.from_numpy(images).double()))[0].numpy()
    errors = np.abs(average(images).astype(np.float64) - LEVELS)
    as_random = bounds.LAMBDA * 2.0**-24 * PIXELS * LEVELS
    assert (errors > as_random).any()
    assert (errors <= 0.3 * limits).all()


def test_small_windows_err_as_random_numbers_do():
    """The allowance for equal numbers is none for the windows of a pooling layer: √(6 + 0.75²) instead of √6."""
    images = torch.full((1, 1, 2, 2), 3.0, dtype=torch.float64)
    tape = record(nn.Sequential(nn.AvgPool2d(2), nn.Flatten()), images)
    assert bounds.limits(tape).item() == pytest.approx(bounds.LAMBDA * 2.0**-24 * 3 * 6.5625**0.5)
