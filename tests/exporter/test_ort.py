"""ORT files: what they hold, what is published beside them, and whose files are refused."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

import lenetx
from lenetx import formats, models
from lenetx.errors import ArtifactError, InputError
from lenetx.formats.network import Network
from lenetx.formats.onnx import translate
from lenetx.formats.ort.contents import read, write
from lenetx.formats.ort.translate import as_onnx, fuse
from lenetx.publishing.inspection import inspect
from lenetx.publishing.publish import publish
from lenetx_runtime import Classifier
from lenetx_runtime.onnx_file import read_spec as read_onnx_spec
from lenetx_runtime.ort_file import read_spec

CONFIG = "lenet5.required_operators.config"
"""Of lenet5, as onnxruntime's tools read it."""
OPERATORS = "ai.onnx;11;Conv\nai.onnx;12;MaxPool\nai.onnx;13;Flatten,Gemm\nai.onnx;14;Relu\ncom.microsoft;1;FusedGemm\n"


@pytest.fixture
def data(exported):
    return exported("ort")


def test_it_holds_the_graph_and_the_spec_of_the_onnx_file(exported, data):
    """Only the digest differs, and the node of an activation has another name."""
    found, expected = as_onnx(read(data)), onnx.load_from_string(exported("onnx"))
    assert [node.op_type for node in found.graph.node] == [node.op_type for node in expected.graph.node]
    for side in ("input", "output"):
        assert [each.type for each in getattr(found.graph, side)] == [
            each.type for each in getattr(expected.graph, side)
        ]
    assert {each.name: each.raw_data for each in found.graph.initializer} == {
        each.name: each.raw_data for each in expected.graph.initializer
    }
    assert (found.ir_version, list(found.opset_import)) == (expected.ir_version, list(expected.opset_import))
    spec, other = read_spec(data), read_onnx_spec(exported("onnx"))
    assert {name for name in spec.__slots__ if getattr(spec, name) != getattr(other, name)} == {"content_sha256"}


def test_what_was_read_is_written_again_in_any_order(data):
    contents = read(data)
    assert write(contents) == data
    for name in ("initializers", "values"):
        contents["model"]["graph"][name].reverse()
    for node in contents["model"]["graph"]["nodes"]:
        node["attributes"].reverse()
    assert write(contents) == data


def test_onnxruntime_itself_opens_it(data):
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map.keys() == {"lenetx", "onnxruntime"}
    assert session.get_inputs()[0].shape == ["batch", 1, 32, 32]


def test_it_is_proven_and_published_with_the_operators_that_it_needs(reference, tmp_path, monkeypatch, data):
    monkeypatch.setattr("lenetx.formats.ort.export", lambda *_, **__: data)
    (tmp_path / CONFIG).write_bytes(b"of an older file")
    (report,) = publish(reference, tmp_path, "lenet5", ["ort"])
    assert report.passed
    assert {path.name for path in tmp_path.iterdir()} == {
        *("lenet5.ort", "lenet5.ort.verified.json", CONFIG, "manifest.json")
    }
    assert (tmp_path / CONFIG).read_text("ascii").endswith(OPERATORS)
    classifier = Classifier(tmp_path / "lenet5.ort", require_verified=True)
    assert classifier.logits(np.zeros((2, 1, 32, 32), np.float32)).shape == (2, 10)
    assert lenetx.classifier(tmp_path / "lenet5.ort").self_test().passed
    assert inspect(tmp_path / "lenet5.ort").kind == "ort"


@pytest.mark.slow
def test_the_operators_are_kept_where_the_artifact_is(reference, tmp_path, monkeypatch, other_checkpoint):
    wrong = formats.export("ort", formats.network.Network(other_checkpoint))
    monkeypatch.setattr("lenetx.formats.ort.export", lambda *_, **__: wrong)
    (tmp_path / CONFIG).write_bytes(b"of an older file")
    with pytest.raises(lenetx.ProofFailed):
        publish(reference, tmp_path, "lenet5", ["ort"])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {CONFIG: b"of an older file"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the tool leaves the file open
def test_the_operators_are_those_that_onnxruntimes_own_tool_finds(tmp_path, data):
    from onnxruntime.tools.ort_format_model import create_config_from_models

    (tmp_path / "lenet5.ort").write_bytes(data)
    create_config_from_models([tmp_path / "lenet5.ort"], tmp_path / "theirs", False)
    theirs = [line for line in (tmp_path / "theirs").read_text("ascii").splitlines() if not line.startswith("#")]
    assert theirs == OPERATORS.splitlines()


def test_a_file_of_another_program_is_told_what_to_do(tmp_path, exported):
    """One sentence with the road, from the runtime and from every command."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "theirs.ort")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.add_session_config_entry("session.save_model_format", "ORT")
    model = onnx.load_from_string(exported("onnx"))
    del model.metadata_props[:]
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    path, words = tmp_path / "theirs.ort", "an ORT file without a lenetx spec: adopt the ONNX file .* 'lenetx adopt'"
    for attempt in (Classifier, formats.open_artifact, lenetx.classifier, inspect):
        with pytest.raises(ArtifactError, match=words):
            attempt(path)


def test_an_activation_is_fused_only_where_nothing_else_reads_its_layer():
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["first"]),
        helper.make_node("Tanh", ["first"], ["active"]),
        helper.make_node("Add", ["first", "active"], ["sum"]),
        helper.make_node("Conv", ["sum", "kernel"], ["second"]),
        helper.make_node("LeakyRelu", ["second"], ["leaky"]),
        helper.make_node("Conv", ["leaky", "kernel"], ["third"]),
        helper.make_node("Sigmoid", ["third"], ["fourth"]),
        helper.make_node("Conv", ["fourth", "kernel"], ["logits"]),
        helper.make_node("Relu", ["logits"], ["unread"]),
    ]
    values = [helper.make_tensor_value_info(name, 1, None) for name in ("image", "logits")]
    model = helper.make_model(helper.make_graph(nodes, "net", values[:1], values[1:]))
    fuse(model)
    found = [node.op_type for node in model.graph.node]
    assert found == ["Conv", "Tanh", "Add", "Conv", "LeakyRelu", "FusedConv", "Conv", "Relu"]
    assert list(model.graph.node[5].output) == ["fourth"]
    assert [(each.domain, each.version) for each in model.opset_import][1:] == [("com.microsoft", 1)]


def test_an_option_of_another_format_does_not_apply(tmp_path, checkpoint):
    with pytest.raises(InputError, match="The option opset applies only to onnx"):
        lenetx.export(checkpoint, ["ort"], folder=tmp_path, opset=20)


def test_onnx_and_ort_share_one_translation_of_a_network(monkeypatch):
    calls = []
    original = translate.translate
    monkeypatch.setattr(translate, "translate", lambda *given: calls.append(given[2:]) or original(*given))
    module = models.build("lenet5", (1, 32, 32), 10).eval()
    network = Network(lenetx.Checkpoint.of(module, input_shape=(1, 32, 32)))
    first = formats.export("onnx", network)
    formats.export("ort", network)
    assert calls == [("dynamic", 18)]
    formats.export("onnx", network, batch=3)
    assert formats.export("onnx", network) == first
    assert calls == [("dynamic", 18), (3, 18), ("dynamic", 18)]
