"""Every way in which a model cannot be used ends in its own error and exit code."""

import numpy as np
import onnxruntime
import pytest
from onnx import numpy_helper

from lenetx_runtime import ArtifactError, Classifier, DeviceUnavailable, InputError, LenetxError


def without_spec(model):
    model.ClearField("metadata_props")


def flip_a_weight(data):
    changed = bytearray(data)
    changed[len(data) // 2] ^= 1
    return bytes(changed)


def with_an_unknown_operator(model):
    model.graph.node[1].op_type = "Relegate"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(lambda _build, _good: b"", "not an ONNX model", id="empty"),
        pytest.param(lambda _build, _good: b"seven", "not an ONNX model", id="text"),
        pytest.param(
            lambda _build, _good: b"PK\x03\x04" + bytes(64),
            r"lenetx.classifier, .* runs \.torchscript",
            id="zip",
        ),
        pytest.param(lambda _build, _good: b"\x89PNG\r\n\x1a\n" + bytes(64), "not an ONNX model", id="picture"),
        pytest.param(lambda _build, good: good[:-1], "cut off", id="cut"),
        pytest.param(lambda _build, good: flip_a_weight(good), "digest does not match", id="changed"),
        pytest.param(
            lambda build, _good: build(without_spec, sealed=False),
            "has no lenetx spec. 'lenetx verify' proves",
            id="foreign",
        ),
        pytest.param(lambda build, _good: build(sealed=False), "digest does not match", id="unsealed"),
        pytest.param(lambda build, _good: build(with_an_unknown_operator), "cannot open the model", id="operator"),
    ],
)
def test_a_bad_model_is_an_artifact_error_that_names_the_file(tmp_path, build_model, sealed, content, reason):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content(build_model, sealed))
    with pytest.raises(ArtifactError, match=reason) as caught:
        Classifier(path)
    assert caught.value.exit_code == 4
    assert str(caught.value).startswith(f"The model '{path}' cannot be used. ")
    with pytest.raises(ArtifactError, match=reason) as caught:
        Classifier(path.read_bytes())
    assert str(caught.value).startswith("The model cannot be used. ")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.onnx", r"There is no model '.*absent\.onnx'"),
        (".", "is a directory, not a model"),
        ("plain/tiny.onnx", "cannot be read: Not a directory"),
        ("tiny\0.onnx", "cannot be read"),
    ],
)
def test_a_model_that_cannot_be_read_is_an_input_error(tmp_path, name, reason):
    (tmp_path / "plain").write_bytes(b"")
    with pytest.raises(InputError, match=reason) as caught:
        Classifier(tmp_path / name)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("options", [{"device": "gpu"}, {"device": "cuda:"}, {"threads": 0}])
def test_a_wrong_argument_is_an_input_error(sealed, options):
    with pytest.raises(InputError) as caught:
        Classifier(sealed, **options)
    assert caught.value.exit_code == 2
    assert str(next(iter(options.values()))) in str(caught.value)


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this onnxruntime was built with CUDA"
)
def test_cuda_that_is_not_there_is_an_error_and_never_the_cpu(model_path):
    with pytest.raises(DeviceUnavailable, match="CUDA was requested") as caught:
        Classifier(model_path, device="cuda")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"input_name": "picture"}, id="input name"),
        pytest.param({"output_name": "scores"}, id="output name"),
        pytest.param({"labels": ("yes", "no")}, id="too few labels"),
        pytest.param({"labels": tuple("abcdefghijkl")}, id="too many labels"),
        pytest.param({"height": 28, "width": 28, "padding": 0}, id="input size"),
    ],
)
def test_a_spec_that_contradicts_its_graph_is_an_artifact_error(build_model, seven, fields):
    with pytest.raises(ArtifactError):
        Classifier(build_model(**fields)).predict(seven)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"padding": 3}, id="padding"),
        pytest.param({"height": 40}, id="height"),
        pytest.param({"channels": 3, "mean": (0.1,) * 3, "std": (0.3,) * 3}, id="channels"),
    ],
)
def test_a_spec_whose_input_no_frame_can_fill_is_not_blamed_on_the_picture(build_model, seven, fields):
    with pytest.raises(ArtifactError):
        Classifier(build_model(**fields)).predict(seven)


def test_logits_that_are_not_finite_are_never_turned_into_a_label(build_model, seven):
    def break_weights(model):
        broken = np.full((400, 10), np.nan, np.float32)
        model.graph.initializer[1].CopyFrom(numpy_helper.from_array(broken, "dense"))

    with pytest.raises(LenetxError):
        Classifier(build_model(break_weights)).predict(seven)
