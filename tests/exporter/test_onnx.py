"""The ONNX file as other programs see it: plain operators, one batch axis, nothing of this machine."""

import dataclasses
import getpass
import site
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime
import pytest
import torch

from lenetx import formats
from lenetx.data import load
from lenetx.errors import ArtifactError
from lenetx.formats.network import Network
from lenetx.weights.plain_tensors import weights_sha256
from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import normalise

ACTIVATION = {"lenet5": "Relu", "lenet5-3x3": "Relu", "lenet5-1998": "Tanh"}
HALVED = {"lenet5": ["MaxPool", "Relu"], "lenet5-3x3": ["MaxPool", "Relu"], "lenet5-1998": ["Tanh", "AveragePool"]}

network = pytest.mark.parametrize("name", ["lenet5", "lenet5-3x3", "lenet5-1998"])


@pytest.fixture
def model(exported):
    return onnx.load_from_string(exported("onnx"))


def shape(value):
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


@network
def test_the_full_checker_passes_and_the_nodes_are_the_networks_own(exported, name):
    model = onnx.load_from_string(exported("onnx", name))
    onnx.checker.check_model(model, full_check=True)
    convolution = ["Conv", *HALVED[name]]
    dense = ["Gemm", ACTIVATION[name]]
    assert [node.op_type for node in model.graph.node] == [*convolution * 2, "Flatten", *dense * 2, "Gemm"]


@network
def test_only_the_default_domain_is_used(exported, name):
    model = onnx.load_from_string(exported("onnx", name))
    assert {node.domain for node in model.graph.node} == {""}
    assert [(item.domain, item.version) for item in model.opset_import] == [("", 18)]
    assert not model.functions
    assert model.ir_version == 8


@network
def test_no_attribute_says_what_the_operator_does_anyway(exported, name):
    """Some readers refuse attributes that they do not know, though they stand at their default.

    The axis of Flatten is spelt out for people: every reader knows it.
    """
    model = onnx.load_from_string(exported("onnx", name))
    for node in model.graph.node:
        if node.op_type == "Flatten":
            continue
        defaults = onnx.defs.get_schema(node.op_type, 18).attributes
        for attribute in node.attribute:
            default = defaults[attribute.name].default_value
            if default.name:
                stated, usual = (onnx.helper.get_attribute_value(each) for each in (attribute, default))
                assert stated != usual, f"{node.op_type} {attribute.name}"


@network
def test_the_batch_axis_has_a_name_and_every_other_axis_a_size(exported, checkpoints, name):
    model = onnx.load_from_string(exported("onnx", name))
    (image,), (logits,) = model.graph.input, model.graph.output
    assert (image.name, shape(image)) == ("image", ["batch", *checkpoints[name].spec.input_shape])
    assert (logits.name, shape(logits)) == ("logits", ["batch", 10])


@pytest.mark.parametrize("batch", [1, 5])
def test_a_fixed_batch_is_fixed(exported, batch):
    data = exported("onnx", batch=batch)
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    assert shape(model.graph.input[0]) == [batch, 1, 32, 32]
    assert shape(model.graph.output[0]) == [batch, 10]
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert session.run(None, {"image": np.zeros((batch, 1, 32, 32), np.float32)})[0].shape == (batch, 10)
    with pytest.raises(Exception, match="invalid dimensions"):
        session.run(None, {"image": np.zeros((batch + 1, 1, 32, 32), np.float32)})


@network
def test_the_weights_are_inside_under_their_names_bit_for_bit(exported, checkpoints, name):
    model = onnx.load_from_string(exported("onnx", name))
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    expected = checkpoints[name].state_dict
    assert found.keys() == expected.keys()
    for key, array in found.items():
        assert np.array_equal(array.view(np.uint32), expected[key].numpy().view(np.uint32))
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)


def test_there_is_one_file_and_nothing_beside_it(published):
    assert {path.name for path in published.iterdir()} == {
        "lenet5.pt",
        "lenet5.onnx",
        "lenet5.onnx.verified.json",
        "lenet5.torchscript",
        "lenet5.torchscript.verified.json",
        "manifest.json",
    }


def test_the_spec_is_embedded_under_one_key(model, checkpoint):
    assert [entry.key for entry in model.metadata_props] == ["lenetx"]
    spec = ModelSpec.from_json(model.metadata_props[0].value)
    assert spec.labels == checkpoint.spec.labels
    assert (spec.mean, spec.std, spec.scale) == (checkpoint.spec.mean, checkpoint.spec.std, checkpoint.spec.scale)
    assert spec.weights_sha256 == checkpoint.spec.weights_sha256
    assert spec.content_sha256


@pytest.mark.parametrize("name", ["onnx", "torchscript"])
@pytest.mark.parametrize("architecture", ["lenet5", "lenet5-1998"])
def test_nothing_of_this_machine_is_in_the_file(exported, tmp_path, name, architecture):
    data = exported(name, architecture)
    places = [Path.home(), Path.cwd(), tmp_path, Path(tempfile.gettempdir()), Path(sys.prefix), Path(__file__).parent]
    private = [str(place) for place in places if len(str(place)) > 3] + ["site-packages", *site.getsitepackages()]
    for text in private:
        assert text.encode() not in data
    assert b".py:" not in data
    assert f"/{getpass.getuser()}/".encode() not in data


def test_plain_onnxruntime_gives_the_answers_of_eager_pytorch(exported, checkpoint):
    import torch

    split = load("digits").test.framed(checkpoint.spec)
    inputs = normalise(split.images, checkpoint.spec)
    session = onnxruntime.InferenceSession(exported("onnx"), providers=["CPUExecutionProvider"])
    logits = session.run(["logits"], {"image": inputs})[0]
    with torch.inference_mode():
        eager = checkpoint.module()(torch.from_numpy(inputs)).numpy()
    assert np.abs(logits - eager).max() < 1e-4
    assert np.array_equal(logits.argmax(1), eager.argmax(1))


def test_a_foreign_model_is_not_ours(exported, tmp_path):
    """The same graph without the spec, as torch or any other exporter would write it."""
    model = onnx.load_from_string(exported("onnx"))
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(
        ArtifactError, match=r"foreign\.onnx' cannot be used\. It was not made by lenetx: .*'lenetx adopt'"
    ):
        formats.open_artifact(tmp_path / "foreign.onnx")


def test_a_changed_weight_is_noticed_when_it_is_opened(exported, tmp_path):
    model = onnx.load_from_string(exported("onnx"))
    tensor = model.graph.initializer[0]
    tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) + 1, tensor.name))
    onnx.save(model, tmp_path / "changed.onnx")
    with pytest.raises(ArtifactError, match="its digest does not match"):
        formats.open_artifact(tmp_path / "changed.onnx")


@pytest.mark.parametrize("zeros", [["conv1.bias"], ["fc3.bias"], ["conv1.bias", "conv2.bias", "fc1.bias", "fc3.bias"]])
def test_a_bias_of_zeros_is_kept(checkpoint, zeros):
    """torch's exporter leaves it out, and then the numbers of the file would not be those of the checkpoint."""
    weights = {k: torch.zeros_like(v) if k in zeros else v for k, v in checkpoint.state_dict.items()}
    spec = dataclasses.replace(checkpoint.spec, weights_sha256=weights_sha256(weights), selftest=None)
    changed = dataclasses.replace(checkpoint, state_dict=weights, spec=spec)
    model = onnx.load_from_string(formats.get("onnx").export(Network(changed)))
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert found.keys() == weights.keys()
    read = [name for node in model.graph.node for name in node.input]
    for name in zeros:
        assert not found[name].any()
        assert read.count(name) == 1
