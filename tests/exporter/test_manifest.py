"""The manifest beside the artifacts: what was published, and nothing else."""

import hashlib
import json
import os

import pytest

import lenetx
from lenetx.publishing.certificate import stronger_certificate_note
from lenetx.publishing.manifest import entry_of
from lenetx.publishing.publish import publish
from lenetx_runtime import ArtifactError, Classifier


@pytest.fixture
def republish(workspace, reference, monkeypatch, exported):
    """The function that publishes an ONNX file in ``workspace`` under a name; gives the manifest's artifacts."""
    data = exported("onnx")
    monkeypatch.setattr("lenetx.formats.onnx.export", lambda *_, **__: data)

    def run(stem):
        publish(reference, workspace, stem, ["onnx"])
        return json.loads((workspace / "manifest.json").read_text())["artifacts"]

    return run


def test_it_says_what_each_artifact_is(published, checkpoint):
    document = json.loads((published / "manifest.json").read_text())
    assert document["manifest_version"] == 1
    assert list(document["artifacts"]) == ["lenet5.onnx", "lenet5.torchscript"]
    for name, entry in document["artifacts"].items():
        data = (published / name).read_bytes()
        assert entry == {
            "format": name.split(".")[1],
            "precision": "float32",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "weights_sha256": checkpoint.spec.weights_sha256,
            "conclusion": f"{name} computes what eager PyTorch computes (360 test images of digits).",
        }


def test_it_is_the_same_text_for_the_same_artifacts(published, republish, workspace):
    republish("lenet5")
    assert (workspace / "manifest.json").read_bytes() == (published / "manifest.json").read_bytes()


def test_other_artifacts_keep_their_entries(republish, published):
    before = json.loads((published / "manifest.json").read_text())["artifacts"]
    after = republish("second")
    assert list(after) == ["lenet5.onnx", "lenet5.torchscript", "second.onnx"]
    assert {name: after[name] for name in before} == before


def test_entries_of_files_that_are_gone_are_dropped(republish, workspace):
    (workspace / "lenet5.torchscript").unlink()
    assert list(republish("lenet5")) == ["lenet5.onnx"]


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"artifacts": []}', "{}", '{"artifacts": {"lenet5.onnx": 7}}'])
def test_a_damaged_manifest_fails_the_proof_and_is_replaced_by_the_next_export(
    republish, workspace, published, checkpoint, text
):
    (workspace / "manifest.json").write_text(text)
    report = lenetx.verify(workspace / "lenet5.onnx", against=checkpoint)
    assert [check.name for check in report.failures] == ["manifest"]
    assert "is damaged: export again" in report.failures[0].detail
    entry = republish("lenet5")["lenet5.onnx"]
    assert entry == entry_of(published / "lenet5.onnx") == entry_of(workspace / "lenet5.onnx")


@pytest.mark.slow
def test_verify_notices_a_file_that_is_not_the_one_that_was_published(workspace, other_checkpoint):
    """A sound artifact of other weights, put in its place by hand."""
    lenetx.export(other_checkpoint, ["torchscript"], folder=workspace / "hand")
    (workspace / "hand" / "lenet5.torchscript").replace(workspace / "lenet5.torchscript")
    report = lenetx.verify(workspace / "lenet5.torchscript", against=other_checkpoint)
    assert [check.name for check in report.failures] == ["manifest"]


def test_verify_says_where_nothing_was_published(workspace, checkpoint):
    (workspace / "manifest.json").unlink()
    report = lenetx.verify(workspace / "lenet5.onnx", against=checkpoint)
    assert report.passed
    assert [check.status for check in report.checks if check.name == "manifest"] == ["not_run"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["manifest.json", "lenet5.onnx.verified.json"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.truncate(path, 2**40)])
def test_a_pipe_a_folder_and_a_huge_file_are_no_manifest_and_no_certificate(workspace, checkpoint, name, make):
    """Nothing waits for them or reads them whole."""
    if make in (os.mkfifo, os.mkdir):
        (workspace / name).unlink()
    make(workspace / name)
    if name == "manifest.json":
        with pytest.raises(ArtifactError, match="is damaged"):
            entry_of(workspace / "lenet5.onnx")
    else:
        report = lenetx.verify(workspace / "lenet5.onnx", against=checkpoint, images=8)
        assert stronger_certificate_note(workspace / name, report) is None
        with pytest.raises(ArtifactError, match="It is not verified"):
            Classifier(workspace / "lenet5.onnx", require_verified=True)


def test_a_name_that_is_twice_in_the_manifest_is_damage(workspace):
    text = (workspace / "manifest.json").read_text()
    (workspace / "manifest.json").write_text(text.replace('"artifacts":', '"artifacts": {}, "artifacts":'))
    with pytest.raises(ArtifactError, match="is damaged"):
        entry_of(workspace / "lenet5.onnx")
