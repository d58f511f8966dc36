"""The committed reference model: still what its files say."""

import json
import os
from pathlib import Path

import pytest

import lenetx

FOLDER = Path(__file__).parent.parent / "artifacts" / "reference"
ARTIFACTS = ("lenet5.onnx", "lenet5.torchscript")


@pytest.fixture(scope="module")
def checkpoint() -> lenetx.Checkpoint:
    return lenetx.load(FOLDER / "lenet5.pt")


def test_accuracy_is_what_was_promised(checkpoint: lenetx.Checkpoint) -> None:
    assert checkpoint.config["data"] == "mnist"
    assert checkpoint.config["epochs"] == 3
    assert checkpoint.metrics["test_accuracy"] >= 0.99
    card = (FOLDER / "MODEL_CARD.md").read_text()
    assert f"{checkpoint.metrics['test_accuracy']:.2%}" in card
    assert checkpoint.spec.weights_sha256 in card


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("LENETX_DATA"), reason="LENETX_DATA is not set: MNIST is not on this machine")
def test_artifacts_are_proven_on_all_of_mnist(checkpoint: lenetx.Checkpoint) -> None:
    reference = lenetx.reference(checkpoint, data_name="mnist")
    for name in ARTIFACTS:
        report = lenetx.verify(FOLDER / name, against=reference)
        assert report.failures == ()
        labels = next(check for check in report.checks if check.name == "labels")
        assert (labels.status, labels.measured, labels.subject) == ("passed", 0, "10,000 test images of mnist")
        assert next(check for check in report.checks if check.name == "manifest").status == "passed"


def test_committed_report_is_of_these_files() -> None:
    report = json.loads((FOLDER / "report.json").read_text())
    manifest = json.loads((FOLDER / "manifest.json").read_text())["artifacts"]
    assert report["passed"]
    assert {one["artifact"]["name"]: one["artifact"]["sha256"] for one in report["reports"]} == {
        name: manifest[name]["sha256"] for name in ARTIFACTS
    }


def test_it_reads_a_drawn_digit() -> None:
    from PIL import Image, ImageDraw

    from lenetx_runtime import Classifier

    page = Image.new("RGB", (300, 400), "white")
    ImageDraw.Draw(page).line([(90, 90), (210, 90), (130, 320)], fill="navy", width=24, joint="curve")
    with Classifier(FOLDER / "lenet5.onnx") as classifier:
        assert classifier.predict(page).label == "7"


@pytest.mark.parametrize("name", [*ARTIFACTS, "lenet5.pt"])
def test_it_reads_the_picture_of_the_readme(name: str) -> None:
    with lenetx.classifier(FOLDER / name) as classifier:
        answer = classifier.predict(FOLDER.parent.parent / "examples" / "seven.png")
    assert answer.label == "7"
    assert answer.probability > 0.99
