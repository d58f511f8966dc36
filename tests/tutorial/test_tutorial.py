"""The program of a course, as a newcomer types it, and its two files through every command."""

import json

import pytest
import torch
from typer.testing import CliRunner

import lenetx
from lenetx_cli.app import app
from lenetx_runtime import Classifier

ARCH = ("--arch", "notes.py:LeNet")
STATED = ("--framing", "mnist", "--mean", "0.1307", "--std", "0.3081")
FILES = ["model_weights.pth", "model.pth"]


@pytest.fixture
def run(course, monkeypatch):
    """The function that runs ``lenetx ARGUMENTS`` in the folder of the course."""
    monkeypatch.chdir(course.folder)

    def command(*arguments, code=0):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.stderr
        return result

    return command


@pytest.fixture(scope="module")
def answers(course):
    """What the program's own network says of the first ten pictures, float32[10, 10]."""
    names = {}
    exec((course.folder / "notes.py").read_text(), names)
    model = names["LeNet"]()
    model.load_state_dict(torch.load(course.folder / "model_weights.pth"))
    model.eval()
    dataset = names["DigitsDataset"](course.folder / "test.csv", course.folder / "test")
    with torch.no_grad():
        return model(torch.stack([dataset[row][0] for row in range(10)]))


def test_the_program_learns(course):
    assert course.accuracy > 0.85


@pytest.mark.parametrize("name", ["model_weights.pth", pytest.param("model.pth", marks=pytest.mark.slow)])
def test_both_files_are_exported_verified_and_used(run, course, answers, tmp_path, name):
    run("export", name, *ARCH, *STATED, "-o", tmp_path)
    artifacts = sorted(path for path in tmp_path.iterdir() if path.suffix in (".onnx", ".torchscript"))
    assert len(artifacts) == 2
    verified = run("verify", *artifacts, "--against", name, *ARCH)
    assert (verified.stdout + verified.stderr).count("computes what eager PyTorch computes") == 2
    pictures = [course.folder / "test" / f"{number}.png" for number in range(10)]
    for artifact in artifacts:
        found = json.loads(run("predict", artifact, *pictures, "--json").stdout)["predictions"]
        assert [each["label"] for each in found] == [str(int(label)) for label in answers.argmax(1)]
        probabilities = answers.softmax(1).amax(1).tolist()
        assert [each["probability"] for each in found] == pytest.approx(probabilities, abs=1e-4)


@pytest.mark.parametrize("name", FILES)
def test_both_files_are_converted_inspected_and_trained_further(run, tmp_path, name):
    run("convert", name, tmp_path / "mine.pt", *ARCH, *STATED)
    described = json.loads(run("inspect", tmp_path / "mine.pt", "--json").stdout)
    assert described["spec"]["height"] == 28
    found = lenetx.load(tmp_path / "mine.pt", architecture="notes.py:LeNet")
    assert torch.equal(found.state_dict["fc3.weight"], torch.load("model_weights.pth")["fc3.weight"])
    options = ("--data", "test.csv", "--images", "test", "--epochs", 1, "-q", "-o", tmp_path / "more.pt")
    for weights in (name, tmp_path / "mine.pt"):
        run("train", *ARCH, "--init", weights, "--framing", "mnist", *options)
        more = lenetx.load(tmp_path / "more.pt", architecture="notes.py:LeNet")
        assert more.spec.input_shape == (1, 28, 28)
        assert more.metrics["test_accuracy"] > 0.5


def test_default_options_export_without_pictures_and_say_so(run, tmp_path):
    result = run("export", "model_weights.pth", *ARCH, "-o", tmp_path)
    assert "1×28×28, assumed" in result.stderr
    assert {path.suffix for path in tmp_path.iterdir()} >= {".onnx", ".torchscript"}
    classifier = Classifier(tmp_path / "model_weights.onnx")
    assert classifier.spec.framing == "unknown"


def test_trust_and_a_missing_class_are_in_words(run, tmp_path):
    run("convert", "model.pth", tmp_path / "a.pt", *ARCH, "--trust-pickle")
    result = run("convert", "model.pth", tmp_path / "b.pt", code=2)
    assert "its class is LeNet, so give --arch FILE.py:LeNet" in result.stderr
    result = run("export", "model_weights.pth", "--arch", "notes.py", code=2)
    assert "Did you mean 'notes.py:LeNet'" in result.stderr


def test_the_network_is_trained_by_its_name_alone(run, tmp_path):
    run("train", *ARCH, "--epochs", 1, "-q", "-o", tmp_path / "digits.pt")
    assert lenetx.load(tmp_path / "digits.pt", architecture="notes.py:LeNet").spec.input_shape == (1, 28, 28)


def test_of_the_sizes_that_fit_the_one_of_mnist_is_named_first(run, tmp_path):
    result = run("convert", "model.pth", tmp_path / "a.pt", *ARCH, "--input-size", 32, code=2)
    assert "26×26 to 29×29 (--input-size 28)" in result.stderr
