"""``python -m lenetx_runtime predict`` as real processes."""

import json

import numpy as np
import PIL.Image
import pytest
from onnx import helper, numpy_helper

from lenetx_runtime import ArtifactError, Classifier
from lenetx_runtime.preprocess.normalise import lookup_table


@pytest.fixture
def here(tmp_path, model_path, pictures):
    """A folder with the tiny model and three pictures."""
    assert model_path.parent == tmp_path
    for number, levels in enumerate(pictures[:3]):
        PIL.Image.fromarray(levels).save(tmp_path / f"{number}.png")
    return tmp_path


@pytest.fixture
def predict(python):
    """The function that runs ``python -m lenetx_runtime predict ARGUMENTS``."""
    return lambda *arguments: python("-m", "lenetx_runtime", "predict", *arguments)


NAMES = ("0.png", "1.png", "2.png")


def test_an_image_is_a_line_with_the_label_and_probability_of_the_library(predict, here):
    done = predict("tiny.onnx", *NAMES)
    assert (done.returncode, done.stderr) == (0, "")
    with Classifier(here / "tiny.onnx") as classifier:
        for line, name in zip(done.stdout.splitlines(), NAMES, strict=True):
            (first, share), *others = classifier.predict(here / name).top(3)
            then = ", ".join(f"{label} {each:.2%}" for label, each in others)
            assert line == f"{name}: {first} {share:.2%}, then {then}"


@pytest.mark.parametrize(("asked", "shown"), [(1, 1), (2, 2), (99, 10)])
def test_json_has_the_fields_of_lenetx_predict(predict, here, asked, shown):
    done = predict("tiny.onnx", "0.png", "--json", "--top-k", asked)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    (prediction,) = document.pop("predictions")
    assert document == {"model": "tiny.onnx", "device": "cpu", "errors": []}
    assert prediction.keys() == {"image", "label", "probability", "top"}
    assert prediction["image"] == "0.png"
    assert len(prediction["top"]) == shown
    assert prediction["top"][0] == {"label": prediction["label"], "probability": prediction["probability"]}
    assert here.exists()


def test_one_class_alone_has_nothing_behind_it(predict, here):
    (line,) = predict("tiny.onnx", "0.png", "--top", "1").stdout.splitlines()
    assert line.startswith("0.png: ")
    assert line.endswith("%")
    assert "then" not in line
    assert here.exists()


@pytest.mark.parametrize("as_json", [False, True])
def test_one_bad_image_loses_no_other_and_the_end_is_2(predict, here, as_json):
    (here / "bad.png").write_bytes(b"no picture")
    PIL.Image.new("L", (40, 40), 200).save(here / "blank.png")
    images = ("0.png", "bad.png", "1.png", "absent.png", "blank.png", "2.png")
    done = predict("tiny.onnx", *images, *["--json"] * as_json)
    assert done.returncode == 2
    sentences = done.stderr.splitlines()
    assert all(sentence.startswith("lenetx_runtime: ") for sentence in sentences)
    for sentence, name in zip(sentences, ("bad.png", "absent.png", "blank.png"), strict=True):
        assert name in sentence
    if as_json:
        document = json.loads(done.stdout)
        assert [each["image"] for each in document["predictions"]] == list(NAMES)
        assert [each["image"] for each in document["errors"]] == ["bad.png", "absent.png", "blank.png"]
        assert [f"lenetx_runtime: {each['error']}" for each in document["errors"]] == sentences
    else:
        assert [line.partition(":")[0] for line in done.stdout.splitlines()] == list(NAMES)


def test_an_image_without_finite_logits_loses_no_other_and_the_end_is_4(predict, here, build_model, spec):
    """One whose first pixel is white, in a network that divides by what that pixel lacks."""

    def break_at_white(model):
        names = ("from", "to", "white")
        values = (np.array([0, 0, 2, 2]), np.array([2**31, 1, 3, 3]), lookup_table(spec)[0, 255:].reshape(1, 1))
        model.graph.initializer.extend(numpy_helper.from_array(*pair) for pair in zip(values, names, strict=True))
        model.graph.node[-1].output[0] = "quotient"
        model.graph.node.extend(
            [
                helper.make_node("Slice", ["image", "from", "to"], ["corner"]),
                helper.make_node("Flatten", ["corner"], ["level"]),
                helper.make_node("Sub", ["level", "white"], ["lacks"]),
                helper.make_node("Div", ["quotient", "lacks"], ["logits"]),
            ]
        )

    (here / "broken.onnx").write_bytes(build_model(break_at_white))
    white = np.zeros((28, 28), np.uint8)
    white[0, 0] = 255
    PIL.Image.fromarray(white).save(here / "white.png")
    done = predict("broken.onnx", "0.png", "white.png", "absent.png", "1.png", "--json")
    assert done.returncode == ArtifactError.exit_code
    document = json.loads(done.stdout)
    assert [each["image"] for each in document["predictions"]] == ["0.png", "1.png"]
    assert [each["image"] for each in document["errors"]] == ["white.png", "absent.png"]
    assert "NaN or infinity" in document["errors"][0]["error"]
    sentences = done.stderr.splitlines()
    assert [sentence.split("'")[1] for sentence in sentences] == ["white.png", "absent.png"]
    assert all(sentence.startswith("lenetx_runtime: ") for sentence in sentences)


def test_a_name_may_hold_anything(predict, here):
    name = "a\udcff[b]\u00e9.png".encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    (here / name).write_bytes((here / "0.png").read_bytes())
    done = predict("tiny.onnx", name)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_model_that_does_not_say_how_pictures_are_prepared_is_one_sentence(predict, here, build_model):
    neutral = {"padding": 0, "mean": (0.0,), "std": (1.0,), "framing": "unknown", "polarity": "as_is"}
    (here / "foreign.onnx").write_bytes(build_model(**neutral))
    done = predict("foreign.onnx", *NAMES)
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("lenetx_runtime: ")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["absent.onnx", "0.png"], 2, "There is no model 'absent.onnx'."),
        (["0.png", "0.png"], 4, "The model '0.png' cannot be used."),
        (["tiny.onnx", "0.png", "--device", "gpu"], 2, "There is no device 'gpu'"),
        (["tiny.onnx"], 2, "IMAGE"),
        (["tiny.onnx", "0.png", "--top-k", "0"], 2, "there is no top 0: give at least 1"),
        (["tiny.onnx", "0.png", "--top-k", "few"], 2, "there is no top few"),
    ],
)
def test_bad_arguments_are_refused_in_words(predict, here, arguments, code, words):
    done = predict(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert here.exists()


def test_a_picture_too_large_is_refused_without_a_warning_of_pillow(predict, here):
    PIL.Image.fromarray(np.zeros((9500, 9500), np.uint8)).convert("1").save(here / "large.png")
    done = predict("tiny.onnx", "large.png")
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert "25,000,000 pixels" in sentence


HOSTILE = "\x1b]0;owned\x07\x1b[31m{}\x1b[0m\n\r\u202eother.png: {} 100.00%\u2028"


@pytest.mark.parametrize("command", ["predict", "inspect"])
def test_labels_and_names_do_not_steer_the_terminal(python, here, build_model, command):
    labels = tuple(HOSTILE.format(number, number) for number in range(10))
    (here / "hostile.onnx").write_bytes(build_model(labels=labels, architecture=HOSTILE))
    (here / "0.png").rename(here / "\x1b[2J\n0.png")
    pictures = ["\x1b[2J\n0.png", "absent\x1b[2J.png"] if command == "predict" else []
    done = python("-m", "lenetx_runtime", command, "hostile.onnx", *pictures)
    shown = done.stdout + done.stderr
    assert {letter for letter in shown if not letter.isprintable()} == {"\n"}
    assert "owned" in shown
    if pictures:
        assert (len(done.stdout.splitlines()), len(done.stderr.splitlines())) == (1, 1)
    exact = json.loads(python("-m", "lenetx_runtime", command, "hostile.onnx", *pictures[:1], "--json").stdout)
    assert (exact["predictions"][0]["label"] if pictures else exact["spec"]["labels"][0]) in labels
