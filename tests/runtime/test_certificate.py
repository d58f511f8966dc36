"""The certificate beside a model: what ``require_verified`` believes."""

import hashlib
import json
import os

import pytest

from lenetx_runtime import ArtifactError, Classifier, InputError
from lenetx_runtime.certificate import certificate_path


@pytest.fixture
def document(sealed, spec):
    """A certificate of the tiny model, as plain values."""
    return {
        "certificate_version": 1,
        "passed": True,
        "conclusion": "tiny.onnx computes what eager PyTorch computes (no real images seen).",
        "artifact": {
            "name": "tiny.onnx",
            "format": "onnx",
            "precision": "float32",
            "sha256": hashlib.sha256(sealed).hexdigest(),
            "size_bytes": len(sealed),
        },
        "reference": {"architecture": "tiny", "weights_sha256": spec.weights_sha256},
        "environment": {"python": "3.11.7"},
        "checks": [
            {"name": "weights", "subject": "9 numbers", "status": "passed"},
            {"name": "real inputs", "subject": "test images", "status": "not_run"},
        ],
        "date": "2026-11-23",
    }


@pytest.fixture
def certify(model_path):
    """The function that writes plain values or bytes as the certificate of the model."""

    def write(content):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        certificate_path(model_path).write_bytes(data)

    return write


def refusal(path):
    """Return why a model that is required to be verified is refused; without that it is opened as ever."""
    Classifier(path).close()
    with pytest.raises(ArtifactError) as caught:
        Classifier(path, require_verified=True)
    text = str(caught.value)
    advice = f"Run 'lenetx verify' on it, or copy {path.name}.verified.json from beside the original."
    assert text.startswith(f"The model '{path}' cannot be used. It is not verified: ")
    assert text.endswith(f". {advice}")
    return text


def test_its_name_is_the_whole_name_of_the_file_and_more(model_path):
    assert certificate_path(model_path).name == "tiny.onnx.verified.json"
    assert certificate_path(model_path).parent == model_path.parent


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_verified_model_is_opened(model_path, document, certify, seven, kind):
    certify(document)
    with Classifier(kind(model_path), require_verified=True) as classifier:
        assert classifier.predict(seven) == Classifier(model_path).predict(seven)


def test_a_model_and_certificate_that_are_renamed_together_stay_verified(model_path, document, certify, tmp_path):
    certify(document)
    certificate_path(model_path).rename(tmp_path / "other.onnx.verified.json")
    with Classifier(model_path.rename(tmp_path / "other.onnx"), require_verified=True) as classifier:
        assert classifier.device == "cpu"


@pytest.mark.parametrize("place", [".lenetx-0123", ".lenetx-0123/old"])
@pytest.mark.parametrize("older", [True, False], ids=["beside an older one", "beside none"])
def test_a_certificate_that_is_about_to_be_moved_to_its_place_counts(model_path, document, certify, place, older):
    """As while an export replaces model and certificate, or after it was killed there."""
    staging = model_path.parent / place
    staging.mkdir(parents=True)
    (staging / certificate_path(model_path).name).write_text(json.dumps(document), encoding="ascii")
    if older:
        document["artifact"]["sha256"] = "0" * 64
        certify(document)
    Classifier(model_path, require_verified=True).close()
    model_path.with_name("other.onnx").write_bytes(model_path.read_bytes())
    with pytest.raises(ArtifactError, match="there is no certificate"):
        Classifier(model_path.with_name("other.onnx"), require_verified=True)


def test_without_a_certificate_it_is_refused(model_path):
    assert f"there is no certificate '{model_path}.verified.json'" in refusal(model_path)


def test_changed_bytes_are_refused(model_path, document, certify, build_model):
    """Another valid model of the same weights digest: nothing but the certificate speaks."""
    certify(document)
    model_path.write_bytes(build_model(batch=4))
    assert "is of another file, or of this one before it was changed" in refusal(model_path)


def test_another_files_certificate_is_refused(model_path, document, certify):
    document["artifact"]["sha256"] = "0" * 64
    certify(document)
    assert "is of another file" in refusal(model_path)


def test_a_proof_against_another_checkpoint_is_refused(model_path, document, certify):
    document["reference"]["weights_sha256"] = "0" * 64
    certify(document)
    assert "is of a proof against another checkpoint" in refusal(model_path)


FAILED = {"name": "weights", "subject": "9 numbers", "status": "failed"}


@pytest.mark.parametrize(
    "change",
    [
        {"passed": False},
        {"checks": []},
        {"checks": [FAILED | {"status": "not_run"}]},
        {"checks": [FAILED | {"status": "passed"}, FAILED]},
    ],
    ids=["says so itself", "no checks", "nothing ran", "one failed"],
)
def test_a_proof_that_did_not_pass_is_refused(model_path, document, certify, change):
    certify(document | change)
    assert "does not say that the proof passed" in refusal(model_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b"null", b"{}", b"[" * 100_000, b"1" * 10_000, b'"passed"'],
    ids=["empty", "cut", "no text", "list", "null", "nothing in it", "deep", "long number", "text"],
)
def test_one_that_is_no_certificate_is_refused(model_path, certify, content):
    certify(content)
    assert "is damaged or of another version" in refusal(model_path)


@pytest.mark.parametrize(
    "change",
    [
        {"certificate_version": 2},
        {"certificate_version": True},
        {"certificate_version": "1"},
        {"passed": 1},
        {"passed": "true"},
        {"artifact": {}},
        {"artifact": {"sha256": None}},
        {"artifact": []},
        {"reference": {"weights_sha256": 5}},
        {"reference": "ab" * 32},
        {"environment": None},
        {"conclusion": 1},
        {"date": "yesterday"},
        {"date": 20261123},
        {"checks": {}},
        {"checks": [1]},
        {"checks": ["passed"]},
        {"checks": [{"status": "passed"}]},
        {"checks": [{"name": "a", "subject": "b", "status": ["passed"]}]},
        {"checks": [FAILED | {"status": "passed"}, FAILED | {"status": "Failed"}]},
        {"signature": "none"},
    ],
    ids=str,
)
def test_one_with_a_field_that_makes_no_sense_is_refused(model_path, document, certify, change):
    certify(document | change)
    assert "is damaged or of another version" in refusal(model_path)


@pytest.mark.parametrize("name", ["artifact", "certificate_version", "checks", "conclusion", "date", "passed"])
def test_one_with_a_field_missing_is_refused(model_path, document, certify, name):
    del document[name]
    certify(document)
    assert "is damaged or of another version" in refusal(model_path)


def test_one_of_endless_length_is_not_read(model_path, document, certify):
    certify(json.dumps(document).encode() + b" " * 2**20)
    assert "is larger than 1 MiB" in refusal(model_path)


def test_a_folder_or_a_pipe_in_its_place_is_refused(model_path):
    place = certificate_path(model_path)
    place.mkdir()
    assert "is a directory, not a certificate" in refusal(model_path)
    place.rmdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(place)
        assert "is a device or a pipe" in refusal(model_path)


def test_bytes_have_no_file_beside_them(sealed):
    with pytest.raises(InputError, match="needs a path, not bytes"):
        Classifier(sealed, require_verified=True)


def test_a_damaged_model_is_damaged_whatever_its_certificate_says(model_path, document, certify, sealed):
    damaged = sealed[:-1] + b"?"
    document["artifact"]["sha256"] = hashlib.sha256(damaged).hexdigest()
    certify(document)
    model_path.write_bytes(damaged)
    with pytest.raises(ArtifactError, match="cannot be used"):
        Classifier(model_path, require_verified=True)
