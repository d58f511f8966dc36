"""Reduce models to float16 and int8: what files hold, and what they compute by engines that do not know lenetx."""

import hashlib

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

import lenetx
import lenetx.data
from lenetx.errors import InputError
from lenetx.formats.onnx.reduced import reduced
from lenetx.quantization.program import Program
from lenetx.quantization.reduce import METHODS
from lenetx.quantization.rounding import measure
from lenetx_runtime.preprocess import normalise

KINDS = {"fp16": onnx.TensorProto.FLOAT16, "int8": onnx.TensorProto.INT8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, checkpoint_paths):
    folder = tmp_path_factory.mktemp("reduced")
    for name in KINDS:
        lenetx.export(checkpoint_paths["lenet5"], ["onnx"], precision=lenetx.Precision(name, max_drop=2), folder=folder)
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_a_file_is_plain_onnx_smaller_and_has_a_self_test_of_its_own(folder, name):
    path = folder / f"lenet5.{name}.onnx"
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert {each.domain for each in model.opset_import} == {""}
    assert model.producer_name == "lenetx"
    weights = [each for each in model.graph.initializer if each.name.endswith(".weight")]
    assert len(weights) == 5
    assert {each.data_type for each in weights} == {KINDS[name]}
    assert path.stat().st_size <= {"fp16": 0.55, "int8": 0.30}[name] * 258_668
    from lenetx_runtime import Classifier

    classifier = Classifier(path, require_verified=True)
    assert classifier.spec.precision == {"fp16": "float16"}.get(name, name)
    assert classifier.self_test().passed


@pytest.mark.parametrize("name", KINDS)
def test_plain_onnxruntime_gives_the_labels_of_eager_pytorch(folder, name, checkpoint):
    """Nothing of lenetx lies between the two but the input."""
    dataset = lenetx.data.load("digits")
    images = normalise(dataset.test.framed(checkpoint.spec).images, checkpoint.spec)
    session = onnxruntime.InferenceSession(folder / f"lenet5.{name}.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"image": images})
    with torch.no_grad():
        right = checkpoint.module().eval()(torch.from_numpy(images)).numpy()
    assert np.abs(found - right).max() < {"fp16": 1e-3, "int8": 0.1}[name] * np.abs(right).max()
    assert (found.argmax(1) == right.argmax(1)).mean() > 0.98


@pytest.mark.slow
def test_the_same_checkpoint_gives_the_same_bytes(folder, checkpoint_paths, tmp_path):
    for name in KINDS:
        lenetx.export(
            checkpoint_paths["lenet5"], ["onnx"], precision=lenetx.Precision(name, max_drop=2), folder=tmp_path
        )
        digests = {
            hashlib.sha256((each / f"lenet5.{name}.onnx").read_bytes()).hexdigest() for each in (folder, tmp_path)
        }
        assert len(digests) == 1


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_calibration_gives_a_file_that_is_proven(checkpoint, tmp_path, method):
    precision = lenetx.Precision("int8", calibration=method, calibration_images=100, max_drop=5)
    (report,) = lenetx.export(checkpoint, ["onnx"], precision=precision, folder=tmp_path)
    assert any(check.name == "calibration" and method in check.subject for check in report.checks)


@pytest.mark.slow
def test_a_fixed_batch_can_be_quantized(checkpoint, tmp_path):
    precision = lenetx.Precision("int8", calibration_images=100, max_drop=5)
    lenetx.export(checkpoint, ["onnx"], precision=precision, batch=8, folder=tmp_path)[0].raise_if_failed()


@pytest.mark.slow
def test_formats_without_the_precision_are_told_and_the_others_made(checkpoint, tmp_path):
    with pytest.raises(InputError, match="torchscript files are float32 only; float16 is available as: onnx"):
        lenetx.export(checkpoint, ["onnx", "torchscript"], precision="fp16", folder=tmp_path)
    assert (tmp_path / "lenet5.fp16.onnx").exists()
    assert not list(tmp_path.glob("*.torchscript"))


def test_int8_without_images_says_what_is_missing(checkpoint, tmp_path):
    import dataclasses

    bare = dataclasses.replace(checkpoint, config={**checkpoint.config, "data": None})
    with pytest.raises(InputError, match=r"int8 needs calibration images.*--data"):
        lenetx.export(bare, ["onnx"], precision="int8", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_operator_whose_rounding_is_unknown_is_named(checkpoint):
    image = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["batch", 1, 32, 32])
    logits = helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", 10])
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["hidden"]),
        helper.make_node("Celu", ["hidden"], ["logits"]),
    ]
    weight = numpy_helper.from_array(np.ones((1024, 10), np.float32), "w")
    model = helper.make_model(helper.make_graph(nodes, "g", [image], [logits], [weight]))
    model.opset_import[0].version = 18
    with pytest.raises(InputError, match="Celu"):
        reduced(model, checkpoint.spec, "float16", None)


def test_a_weight_beyond_float16_is_named(checkpoint):
    import dataclasses

    weights = {**checkpoint.state_dict, "fc2.weight": checkpoint.state_dict["fc2.weight"] * 1e8}
    from lenetx.weights.plain_tensors import weights_sha256

    spec = dataclasses.replace(checkpoint.spec, weights_sha256=weights_sha256(weights), selftest=None)
    large = dataclasses.replace(checkpoint, state_dict=weights, spec=spec)
    with pytest.raises(InputError, match=r"fc2.weight has a weight of .* the largest float16 is 65504"):
        lenetx.export(large, ["onnx"], precision="fp16", folder="unused")


@pytest.mark.parametrize("name", KINDS)
def test_an_honest_engine_stays_far_within_the_limits(folder, name):
    """A limit that honest rounding nearly reaches would fail somewhere else; one that is never neared finds nothing."""
    path = folder / f"lenet5.{name}.onnx"
    inputs = np.random.default_rng(1).normal(size=(200, 1, 32, 32)).astype(np.float32)
    right = measure(Program(onnx.load(path)), inputs)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"image": inputs})
    shares = np.abs(found - right.exact) / right.limits
    assert shares.max() < 0.75
    assert np.median(right.limits) < {"fp16": 0.5, "int8": 1e-3}[name]
