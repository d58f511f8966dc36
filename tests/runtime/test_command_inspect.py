"""``python -m lenetx_runtime inspect`` as real processes."""

import hashlib
import json

import pytest

from lenetx_runtime.certificate import certificate_path
from lenetx_runtime.onnx_file import read_spec

NO_ENGINE = (
    "import sys; sys.modules.update(dict.fromkeys(('onnxruntime', 'numpy', 'PIL', 'torch', 'onnx')));"
    "from lenetx_runtime.__main__ import main; sys.exit(main(sys.argv[1:]))"
)


@pytest.fixture
def inspect(python):
    """The function that runs ``python -m lenetx_runtime inspect ARGUMENTS`` where nothing can be run."""
    return lambda *arguments: python("-c", NO_ENGINE, "inspect", *arguments)


def certificate(data, spec, **fields):
    """Return the text of a certificate of a proof of these bytes that passed."""
    content = {
        "artifact": {"sha256": hashlib.sha256(data).hexdigest()},
        "certificate_version": 1,
        "checks": [{"name": "weights", "subject": "all", "status": "passed"}],
        "conclusion": "It does.",
        "date": "2026-01-02",
        "environment": {},
        "passed": True,
        "reference": {"weights_sha256": spec.weights_sha256},
    }
    return json.dumps(content | fields)


def test_people_read_what_the_file_says_of_itself_without_an_engine(inspect, model_path, spec):
    done = inspect(model_path)
    assert (done.returncode, done.stderr) == (0, "")
    rows = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert rows["file"] == "tiny.onnx"
    assert rows["kind"] == "onnx"
    assert rows["size"] == f"{model_path.stat().st_size:,} bytes"
    assert rows["architecture"] == "tiny"
    assert rows["mean"] == "[0.1307]"
    assert json.loads(rows["labels"]) == list(spec.labels)
    assert rows["sha256"] == hashlib.sha256(model_path.read_bytes()).hexdigest()
    assert rows["certificate"].startswith("It is not verified: there is no certificate ")
    assert "selftest" not in rows


def test_json_has_the_fields_of_lenetx_inspect(inspect, model_path):
    data = model_path.read_bytes()
    done = inspect(model_path, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    facts = document.pop("facts")
    spec = json.loads(read_spec(data).to_json())
    assert document == {"kind": "onnx", "name": "tiny.onnx", "size_bytes": len(data), "spec": spec}
    assert facts["sha256"] == hashlib.sha256(data).hexdigest()
    assert facts["verified"] is False


def test_the_self_test_is_counted_and_not_shown(inspect, model_path, build_model, selftest):
    model_path.write_bytes(build_model(selftest=selftest))
    text = inspect(model_path).stdout
    assert ["selftest", "4", "images"] in [line.split() for line in text.splitlines()]
    assert len(text) < 3000
    document = json.loads(inspect(model_path, "--json").stdout)
    assert document["spec"]["selftest"] == selftest.to_plain()


def test_a_certificate_of_these_bytes_is_told_from_another(inspect, model_path):
    data = model_path.read_bytes()
    spec = read_spec(data)
    certificate_path(model_path).write_text(certificate(data, spec))
    assert "It is verified: " in inspect(model_path).stdout
    assert json.loads(inspect(model_path, "--json").stdout)["facts"]["certificate"] is None
    certificate_path(model_path).write_text(certificate(data + b"\0", spec))
    done = inspect(model_path)
    assert done.returncode == 0
    assert "is of another file, or of this one before it was changed" in done.stdout


@pytest.mark.parametrize(
    ("damage", "code", "words"),
    [
        (lambda data: data[:900] + bytes([data[900] ^ 1]) + data[901:], 4, "is damaged or was changed"),
        (lambda data: data[:-9], 4, "cannot be used"),
        (lambda _: b"", 4, "is not an ONNX model"),
        (None, 2, "There is no model"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(inspect, model_path, damage, code, words):
    data = model_path.read_bytes()
    model_path.unlink()
    if damage is not None:
        model_path.write_bytes(damage(data))
    done = inspect("tiny.onnx")
    assert (done.returncode, done.stdout) == (code, "")
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("lenetx_runtime: ")
    assert words in sentence
