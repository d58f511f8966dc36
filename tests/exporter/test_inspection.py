"""What a checkpoint or artifact says of itself."""

import json
import shutil

import numpy as np
import pytest

from lenetx.errors import ArtifactError, InputError
from lenetx.publishing import inspection
from lenetx_runtime.certificate import certificate_path

KINDS = {"checkpoint": "lenet5.pt", "onnx": "lenet5.onnx", "torchscript": "lenet5.torchscript"}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def description(published, kind):
    return inspection.inspect(published / KINDS[kind])


def test_it_names_the_file(description, published, kind):
    assert description.kind == kind
    assert description.name == KINDS[kind]
    assert description.size_bytes == (published / KINDS[kind]).stat().st_size


def test_every_weight_is_described_as_it_is(description, checkpoint):
    found = {each.name: each for each in description.parameters}
    assert found.keys() == checkpoint.state_dict.keys()
    for name, tensor in checkpoint.state_dict.items():
        array = tensor.numpy()
        assert found[name].shape == array.shape
        assert found[name].count == array.size
        assert (found[name].minimum, found[name].maximum) == (float(np.min(array)), float(np.max(array)))
    assert sum(each.count for each in description.parameters) == 61_706


def test_the_spec_is_the_checkpoints(description, checkpoint):
    assert description.spec.labels == checkpoint.spec.labels
    assert description.spec.weights_sha256 == checkpoint.spec.weights_sha256
    assert description.spec.input_shape == (1, 32, 32)


def test_a_checkpoint_tells_of_its_training_and_an_artifact_of_its_publication(description, kind, checkpoint):
    if kind == "checkpoint":
        assert description.facts["test_accuracy"] == checkpoint.metrics["test_accuracy"]
        assert description.facts["config"]["epochs"] == 4
        assert len(description.facts["history"]) == 4
    else:
        assert description.facts["sha256"] == description.facts["manifest"]["sha256"]


def test_what_was_proven_comes_first(published, kind, tmp_path):
    if kind == "checkpoint":
        pytest.skip("checkpoints are not proven")
    path = tmp_path / KINDS[kind]
    shutil.copy(published / path.name, path)
    assert "there is no usable certificate" in inspection.inspect(path).facts["proof"]
    certificate = certificate_path(published / path.name)
    shutil.copy(certificate, tmp_path)
    assert inspection.inspect(path).facts["proof"] == json.loads(certificate.read_bytes())["conclusion"]
    certificate_path(path).write_text(certificate.read_text().replace('"sha256": "', '"sha256": "0'))
    assert next(iter(inspection.inspect(path).facts)) == "proof"
    assert "is of another file" in inspection.inspect(path).facts["proof"]


def test_it_can_be_written_as_json(description):
    document = json.loads(json.dumps(description.to_dict()))
    assert document["kind"] == description.kind
    assert document["parameters"][0].keys() == {"name", "shape", "count", "minimum", "maximum"}
    assert document["spec"]["labels"] == list("0123456789")


def test_the_other_networks_are_counted_too(checkpoint_paths):
    description = inspection.inspect(checkpoint_paths["lenet5-3x3"])
    assert sum(each.count for each in description.parameters) == 60_074
    assert description.parameters[0].shape == (6, 1, 3, 3)


def test_an_artifact_that_was_never_published_has_no_entry(published, tmp_path):
    (tmp_path / "alone.onnx").write_bytes((published / "lenet5.onnx").read_bytes())
    assert inspection.inspect(tmp_path / "alone.onnx").facts["manifest"] is None


@pytest.mark.parametrize("name", ["lenet5.txt", "lenet5"])
def test_a_file_of_another_kind_is_told_what_there_is(tmp_path, name):
    with pytest.raises(InputError, match=f"There is no artifact '.*{name}'"):
        inspection.inspect(tmp_path / name)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=r"\.onnx, \.torchscript, .*; checkpoints in \.pt"):
        inspection.inspect(tmp_path / name)
    with pytest.raises(InputError, match="is a directory, not an artifact"):
        inspection.inspect(tmp_path)


def test_a_number_that_json_has_not_is_a_text(checkpoint):
    parameter = inspection.Parameter.of("bias", np.array([1, np.nan], np.float32))
    assert np.isnan(parameter.minimum)
    described = inspection.Description("checkpoint", "a.pt", 1, checkpoint.spec, (parameter,), {})
    assert "NaN" not in json.dumps(described.to_dict())
    assert described.to_dict()["parameters"][0]["minimum"] == "nan"


@pytest.mark.parametrize("name", KINDS.values())
def test_a_damaged_file_is_refused(tmp_path, published, name):
    (tmp_path / name).write_bytes((published / name).read_bytes()[:-50])
    with pytest.raises(ArtifactError):
        inspection.inspect(tmp_path / name)
