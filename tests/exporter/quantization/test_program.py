"""Run reduced graphs in float64 as an engine does, and reject what the program would compute otherwise."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

import lenetx
from lenetx import formats
from lenetx.errors import InputError
from lenetx.formats.network import Network
from lenetx.formats.onnx import export
from lenetx.proof import prove
from lenetx.quantization.calibration import Calibration, Sample
from lenetx.quantization.program import Program
from lenetx.quantization.reduce import to_int8
from lenetx.quantization.widen import activations

FLOAT = onnx.TensorProto.FLOAT
IMAGES = np.random.default_rng(0).normal(size=(4, 2, 6, 8)).astype(np.float32)


def model_of(nodes, tensors=None, opset=18):
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in (tensors or {}).items()]
    image = helper.make_tensor_value_info("image", FLOAT, ["batch", *IMAGES.shape[1:]])
    logits = helper.make_tensor_value_info("logits", FLOAT, None)
    model = helper.make_model(helper.make_graph(nodes, "g", [image], [logits], tensors))
    model.opset_import[0].version = opset
    model.ir_version = 8
    return model


def one(operator, inputs=(), tensors=None, opset=18, **attributes):
    return model_of([helper.make_node(operator, ["image", *inputs], ["logits"], **attributes)], tensors, opset)


def of_onnxruntime(model, images=IMAGES):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": images})[0].reshape(len(images), -1)


@pytest.mark.parametrize(
    "model",
    [
        one("ReduceMean", opset=14, axes=[2, 3]),
        one("ReduceMean", ["axes"], {"axes": np.array([-1])}, keepdims=0),
        one("Pad", ["pads"], {"pads": np.array([0, 0, 1, 2, 0, 0, 0, 3])}, opset=14),
        one("Pad", ["pads", "", "axes"], {"pads": np.array([1, 2, 0, 3]), "axes": np.array([-2, 1])}),
        one("AveragePool", kernel_shape=[2, 2], pads=[0, 1, 0, 1], strides=[2, 2]),
        one("AveragePool", kernel_shape=[2, 2], pads=[0, 0, 1, 0], count_include_pad=1),
        one("MaxPool", kernel_shape=[3, 2], pads=[0, 0, 1, 1], strides=[2, 2]),
        one("MaxPool", kernel_shape=[3, 2], ceil_mode=1, strides=[2, 2]),
    ],
    ids=[
        "mean to opset 17",
        "mean",
        "pad",
        "pad of some axes",
        "average, padded",
        "average, padded below",
        "max",
        "max, rounded up",
    ],
)
def test_an_operator_is_computed_as_onnxruntime_does(model):
    found = Program(model)(torch.from_numpy(IMAGES).double()).numpy()
    np.testing.assert_allclose(found, of_onnxruntime(model), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (one("Gemm", ["w"], {"w": np.ones((8, 8), np.float32)}, alpha=0.5), "Gemm has alpha = 0.5"),
        (one("Gemm", ["w"], {"w": np.ones((8, 8), np.float32)}, transA=1), "Gemm has transA = 1"),
        (one("Flatten", axis=2), "Flatten has axis = 2"),
        (one("MaxPool", kernel_shape=[2]), "MaxPool has kernel_shape"),
        (one("MaxPool", kernel_shape=[2, 2], auto_pad="SAME_LOWER"), "MaxPool has auto_pad"),
        (one("AveragePool", opset=19, kernel_shape=[2, 2], dilations=[2, 2]), "AveragePool has dilations"),
        (one("Cast", to=onnx.TensorProto.INT32), "Cast has to = 6"),
        (one("ReduceMean", noop_with_empty_axes=1), "ReduceMean has noop_with_empty_axes = 1"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_an_attribute_that_is_not_computed_is_named(model, words):
    with pytest.raises(InputError, match=words):
        Program(model)


def quantized(change):
    """A dense layer whose input and weight are quantized."""
    tensors = {
        "x:scale": np.float32(0.05),
        "x:zero": np.int8(3),
        "w": np.arange(-48, 48, dtype=np.int8).reshape(96, 1),
        "w:scale": np.float32(0.01),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "x:scale", "x:zero"], ["x:q"]),
        helper.make_node("DequantizeLinear", ["x:q", "x:scale", "x:zero"], ["x:dq"]),
        helper.make_node("DequantizeLinear", ["w", "w:scale"], ["w:dq"]),
        helper.make_node("Flatten", ["x:dq"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w:dq"], ["logits"]),
    ]
    change(nodes, tensors)
    return model_of(nodes, tensors)


def uint8(_, tensors):
    tensors["x:zero"] = np.uint8(3)


def no_zero_point(nodes, _):
    """Without one, ONNX means uint8."""
    del nodes[0].input[2], nodes[1].input[2]


def another_scale(nodes, tensors):
    tensors["y:scale"] = np.float32(0.06)
    nodes[1].input[1] = "y:scale"


def dequantized_twice(nodes, tensors):
    tensors["v:scale"] = np.float32(0.02)
    nodes[3:] = [
        helper.make_node("DequantizeLinear", ["w", "v:scale"], ["v:dq"]),
        helper.make_node("Add", ["w:dq", "v:dq"], ["sum"]),
        helper.make_node("Flatten", ["x:dq"], ["flat"]),
        helper.make_node("MatMul", ["flat", "sum"], ["logits"]),
    ]


def integers_as_they_are(nodes, _):
    nodes[2:3] = [helper.make_node("Cast", ["w"], ["w:dq"], to=FLOAT)]


def a_scale_of_0(_, tensors):
    tensors["x:scale"] = np.float32(0)


def test_a_quantized_graph_is_computed_as_onnxruntime_does():
    model = quantized(lambda *_: None)
    found = Program(model)(torch.from_numpy(IMAGES).double()).numpy()
    np.testing.assert_allclose(found, of_onnxruntime(model), rtol=1e-5)


@pytest.mark.parametrize(
    "change", [uint8, no_zero_point, another_scale, dequantized_twice, integers_as_they_are, a_scale_of_0]
)
def test_a_quantization_that_is_not_computed_is_rejected(change):
    with pytest.raises(InputError, match=r"is not one scale and one zero point of int8|casts numbers"):
        Program(quantized(change))


def test_the_other_integer_is_tried_where_it_belongs_after_a_transposition():
    nodes = [
        helper.make_node("Transpose", ["image"], ["turned"], perm=[0, 3, 1, 2]),
        helper.make_node("QuantizeLinear", ["turned", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["dq"]),
        helper.make_node("Flatten", ["dq"], ["logits"]),
    ]
    program = Program(model_of(nodes, {"s": np.float32(0.1), "z": np.int8(0)}))
    images = torch.from_numpy(IMAGES).double()
    usual = program(images)
    program.nudges = {0: (torch.tensor([1]), torch.tensor([7]), torch.tensor([0.1], dtype=torch.float64))}
    assert (program(images) - usual).nonzero().tolist() == [[1, 7]]


class Rows(nn.Module):
    """Handle each row of an image by itself: on an axis of its own, or as an image of the batch."""

    def __init__(self, *, in_batch):
        super().__init__()
        self.hidden, self.last, self.in_batch = nn.Linear(28, 16), nn.Linear(16, 10), in_batch

    def forward(self, images):
        rows = images.reshape(-1, 28) if self.in_batch else images.reshape(-1, 28, 28)
        return self.last(self.hidden(rows).relu().reshape(-1, 28, 16).mean(1))


@pytest.mark.parametrize(
    ("precision", "in_batch", "words"),
    [
        ("float16", False, "an operator mixes the images of a batch"),
        ("int8", False, "weights are computed and quantized anew for each batch"),
        ("float16", True, "its graph does not run in float64"),
        ("int8", True, "its graph does not run in float64"),
    ],
)
def test_a_network_that_handles_rows_by_themselves_is_told_why_it_has_no_proof(precision, in_batch, words):
    network = Network(lenetx.Checkpoint.of(Rows(in_batch=in_batch).eval(), input_shape=(1, 28, 28)))
    images = np.random.default_rng(0).normal(size=(100, 1, 28, 28)).astype(np.float32)
    with pytest.raises(InputError, match=f"{words}.*Export it in float32"):
        export(network, precision=precision, sample=Sample(Calibration("minmax", 100, "x", 0, "0" * 64), images))


@pytest.mark.parametrize("batch", ["batch", 3, 64])
def test_every_image_is_seen_in_a_calibration_whatever_the_batch(batch):
    model = model_of(
        [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["logits"])],
        {"w": np.ones((96, 10), np.float32)},
    )
    axis = model.graph.input[0].type.tensor_type.shape.dim[0]
    axis.CopyFrom(onnx.TensorShapeProto.Dimension(**{"dim_param" if batch == "batch" else "dim_value": batch}))
    images = np.zeros((4, *IMAGES.shape[1:]), np.float32)
    images[-1] = 12.7
    images[-2] = -12.8
    found = activations(to_int8(model, images, "minmax"))
    assert next(iter(found.values())).scale == pytest.approx(0.1)


class Norms(nn.Sequential):
    """Batch norms that no layer takes in: before the first layer, behind a ReLU or a pooling, and at the end."""

    input_shape = (1, 14, 14)

    def __init__(self):
        norms = [nn.BatchNorm2d(1), nn.BatchNorm2d(4), nn.BatchNorm2d(4), nn.BatchNorm1d(54), nn.BatchNorm1d(5)]
        generator = torch.Generator().manual_seed(3)
        for norm in norms:
            norm.running_mean.normal_(0, 0.3, generator=generator)
            norm.running_var.uniform_(0.5, 2, generator=generator)
            norm.weight.data.uniform_(0.5, 1.5, generator=generator)
        first, relu, pool, flat, end, last = norms[0], *norms[1:4], norms[4], nn.Linear(54, 5)
        layers = [first, nn.Conv2d(1, 4, 3), nn.ReLU(), relu, nn.MaxPool2d(2), pool, nn.Conv2d(4, 6, 3, padding=1)]
        super().__init__(*layers, nn.MaxPool2d(2), nn.Flatten(), flat, last, nn.Tanh(), end)


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_batch_norms_that_no_layer_takes_in_are_proven(tmp_path, precision):
    torch.manual_seed(0)
    checkpoint = lenetx.Checkpoint.of(Norms().eval())
    images = np.random.default_rng(0).normal(size=(50, *Norms.input_shape)).astype(np.float32)
    sample = Sample(Calibration("minmax", 50, "x", 0, "0" * 64), images)
    path = tmp_path / "net.onnx"
    path.write_bytes(export(Network(checkpoint), precision=precision, sample=sample))
    report = prove(formats.open_artifact(path), lenetx.Reference(checkpoint, None))
    assert report.passed, report.failures
