"""The certificate of a proof, from the report to the runtime that believes it."""

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

import lenetx
from lenetx.publishing.certificate import certificate_of
from lenetx_runtime import ArtifactError, Classifier

ONNX, CERTIFICATE = "lenet5.onnx", "lenet5.onnx.verified.json"


@pytest.fixture(scope="module")
def report(published, reference):
    return lenetx.verify(published / ONNX, against=reference)


@pytest.fixture
def failed(report):
    """The proof of the same file with the same weights, after it found something."""
    return dataclasses.replace(
        report, checks=(*report.checks, lenetx.Check("labels", "images", "failed", detail="No."))
    )


def test_it_says_what_the_report_says_in_short(report):
    document = json.loads(certificate_of(report))
    whole = report.to_dict()
    for name in ("passed", "conclusion", "artifact", "reference", "environment"):
        assert document[name] == whole[name]
    assert document["certificate_version"] == 1
    assert document["checks"] == [
        {name: check[name] for name in ("name", "subject", "status")} for check in whole["checks"]
    ]
    assert abs((datetime.fromisoformat(document["date"]).replace(tzinfo=UTC) - datetime.now(UTC)).days) <= 1


def test_there_is_none_of_a_proof_that_failed(failed):
    with pytest.raises(ValueError, match="is NOT proven"):
        certificate_of(failed)


def test_what_was_published_is_verified(published):
    with Classifier(published / ONNX, require_verified=True) as classifier:
        assert classifier.device == "cpu"
    document = json.loads((published / "lenet5.torchscript.verified.json").read_text())
    assert document["artifact"]["name"] == "lenet5.torchscript"


def test_the_runtime_believes_what_is_written_after_a_proof(workspace, report):
    (workspace / CERTIFICATE).unlink()
    with pytest.raises(ArtifactError, match="not verified"):
        Classifier(workspace / ONNX, require_verified=True)
    lenetx.certify(str(workspace / ONNX), report)
    Classifier(workspace / ONNX, require_verified=True).close()


@pytest.mark.slow
def test_a_file_that_is_exported_anew_with_other_weights_leaves_no_certificate_of_the_old(workspace, other_checkpoint):
    old = (workspace / CERTIFICATE).read_bytes()
    lenetx.export(other_checkpoint, ["onnx"], folder=workspace, stem="lenet5")
    Classifier(workspace / ONNX, require_verified=True).close()
    (workspace / CERTIFICATE).write_bytes(old)
    with pytest.raises(ArtifactError, match="is of another file"):
        Classifier(workspace / ONNX, require_verified=True)


def test_after_a_failed_proof_the_old_one_is_gone_and_nothing_else(workspace, failed, contents):
    before = contents(workspace)
    lenetx.certify(workspace / ONNX, failed)
    assert contents(workspace) == {name: data for name, data in before.items() if name != CERTIFICATE}
    lenetx.certify(workspace / ONNX, failed)


def test_one_that_was_made_of_another_file_does_not_hold(workspace, report):
    """A proof of the file as it was: it is bound to those bytes, and none is written for others."""
    altered = dataclasses.replace(report, artifact=dict(report.artifact) | {"sha256": "0" * 64})
    with pytest.raises(lenetx.InputError, match="was replaced while it was being verified"):
        lenetx.certify(workspace / ONNX, altered)
    lenetx.certify(workspace / ONNX, report)
    text = (workspace / CERTIFICATE).read_text()
    (workspace / CERTIFICATE).write_text(text.replace(str(report.artifact["sha256"]), "0" * 64))
    with pytest.raises(ArtifactError, match="is of another file"):
        Classifier(workspace / ONNX, require_verified=True)


def test_who_compares_with_another_checkpoint_takes_no_certificate_away(workspace, other_checkpoint):
    report = lenetx.verify(workspace / ONNX, against=other_checkpoint, images=8)
    assert not report.passed
    lenetx.certify(workspace / ONNX, report)
    Classifier(workspace / ONNX, require_verified=True).close()


@pytest.fixture(scope="module")
def weaker(published, checkpoint):
    """Proofs of the same file that saw one image, and none."""
    none = lenetx.Reference(checkpoint, None, "There is no data.")
    return [lenetx.verify(published / ONNX, against=each) for each in (lenetx.reference(checkpoint, images=1), none)]


def test_a_proof_that_saw_fewer_real_images_replaces_no_certificate(workspace, report, weaker, contents):
    lenetx.certify(workspace / ONNX, report)
    before = contents(workspace)
    for one in weaker:
        assert one.passed
        note = lenetx.certify(workspace / ONNX, one)
        assert (
            note == f"'{workspace / CERTIFICATE}' is from a proof with more images (360 test images of digits) and "
            "is kept."
        )
    assert contents(workspace) == before


def test_a_proof_that_saw_as_many_or_more_replaces_it(workspace, report, weaker):
    one, none = weaker
    (workspace / CERTIFICATE).unlink()
    for each, images in ((none, 0), (one, 1), (one, 1), (report, 360)):
        assert lenetx.certify(workspace / ONNX, each) is None
        assert json.loads((workspace / CERTIFICATE).read_text())["reference"]["images"] == images


@pytest.mark.parametrize(
    "change",
    [
        {"passed": False},
        {"certificate_version": 2},
        {"signature": ""},
        {"checks": [{"name": "x", "subject": "", "status": "failed"}]},
        {"checks": 7},
        {"artifact": {"sha256": "0" * 64}},
        {"reference": {"weights_sha256": "0" * 64, "images": 10_000}},
        {"reference": []},
    ],
)
def test_what_is_no_certificate_of_this_file_is_not_kept(workspace, report, weaker, change):
    document = json.loads(certificate_of(report)) | change
    (workspace / CERTIFICATE).write_text(json.dumps(document))
    assert lenetx.certify(workspace / ONNX, weaker[0]) is None
    assert json.loads((workspace / CERTIFICATE).read_text())["reference"]["images"] == 1


def test_an_export_that_saw_fewer_leaves_the_certificate_of_the_same_bytes(workspace, checkpoint):
    before = (workspace / CERTIFICATE).read_bytes()
    assert json.loads(before)["reference"]["images"] == 360
    unseen = dataclasses.replace(checkpoint, config={**checkpoint.config, "data": None})
    (report,) = lenetx.export(unseen, ["onnx"], folder=workspace, stem="lenet5")
    assert "no real images seen" in report.conclusion
    assert (workspace / CERTIFICATE).read_bytes() == before
    Classifier(workspace / ONNX, require_verified=True).close()


@pytest.mark.parametrize("verdict", ["report", "failed"])
def test_a_folder_that_cannot_be_written_to_is_a_sentence(request, small_disk, read_only, published, contents, verdict):
    disk = small_disk("1m")
    for name in (ONNX, CERTIFICATE):
        (disk / name).write_bytes((published / name).read_bytes())
    before = contents(disk)
    read_only(disk)
    with pytest.raises(lenetx.OutputError, match=f"{CERTIFICATE}' .*could not be .*: Read-only file system"):
        lenetx.certify(disk / ONNX, request.getfixturevalue(verdict))
    assert contents(disk) == before


def test_it_names_no_place(published):
    text = Path(published / CERTIFICATE).read_text()
    assert str(published) not in text
