"""``lenetx predict``."""

import contextlib
import dataclasses
import io
import json
import pathlib

import numpy as np
import PIL.Image
import pytest

import lenetx

MODELS = ("lenet5.onnx", "lenet5.torchscript", "lenet5.pt")


@pytest.fixture
def pictures(tmp_path, seven):
    """The seven in files of every format and several modes."""
    grey = PIL.Image.fromarray(seven)
    deep = PIL.Image.fromarray(seven.astype(np.uint16) * 257)
    see_through = PIL.Image.merge("LA", (grey, grey))
    files = {
        "grey.png": grey,
        "sixteen bits.png": deep,
        "black and white.png": grey.point(lambda level: 255 * (level > 127), "1"),
        "palette.png": grey.convert("P"),
        "colour.png": grey.convert("RGB"),
        "transparent.png": see_through.convert("RGBA"),
        "dark on light.png": PIL.Image.fromarray(255 - seven),
        "grey.jpg": grey,
        "colour.jpeg": grey.convert("RGB"),
        "print.jpg": grey.convert("RGB").convert("CMYK"),
        "grey.bmp": grey,
        "colour.bmp": grey.convert("RGB"),
        "colour.webp": grey.convert("RGB"),
        "palette.gif": grey.convert("P"),
        "grey.gif": grey,
        "large.png": grey.resize((640, 640)),
        "with no ending": grey,
    }
    for name, image in files.items():
        image.save(tmp_path / name, format="PNG" if "." not in name else None)
    return [tmp_path / name for name in files]


@pytest.mark.parametrize("model", MODELS)
def test_every_kind_of_model_reads_every_kind_of_picture(cli, published, pictures, model):
    result = cli("predict", published / model, *pictures, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["device"] == "cpu"
    assert document["model"] == str(published / model)
    assert [each["image"] for each in document["predictions"]] == [str(path) for path in pictures]
    assert {each["image"]: each["label"] for each in document["predictions"]} == {str(path): "7" for path in pictures}


def test_all_kinds_of_models_agree(cli, published, pictures):
    found = [
        [
            each["probability"]
            for each in json.loads(cli("predict", published / model, *pictures, "--json").stdout)["predictions"]
        ]
        for model in MODELS
    ]
    assert np.ptp(found, axis=0).max() < 1e-5


def test_people_read_a_line_per_picture(cli, published, picture):
    result = cli("predict", published / "lenet5.onnx", picture, picture)
    assert result.stderr == ""
    heading, *rows = result.stdout.splitlines()
    assert heading.split() == ["image", "label", "probability", "then"]
    assert len([row for row in rows if " 7 " in row and "%" in row]) == 2


@pytest.mark.parametrize("asked", [1, 2, 3, 10, 99])
def test_top_k_gives_the_most_probable_classes(cli, published, picture, asked):
    result = cli("predict", published / "lenet5.onnx", picture, "--top-k", asked, "--json")
    (prediction,) = json.loads(result.stdout)["predictions"]
    shares = [each["probability"] for each in prediction["top"]]
    assert len(shares) == min(asked, 10)
    assert shares == sorted(shares, reverse=True)
    assert prediction["top"][0] == {"label": prediction["label"], "probability": prediction["probability"]}
    if asked >= 10:
        assert sum(shares) == pytest.approx(1)


def test_the_answer_is_that_of_the_library(cli, published, picture):
    (prediction,) = json.loads(cli("predict", published / "lenet5.onnx", picture, "--json").stdout)["predictions"]
    expected = lenetx.classifier(published / "lenet5.pt").predict(picture)
    assert prediction["label"] == expected.label
    assert prediction["probability"] == pytest.approx(expected.probability, abs=1e-6)


def test_a_name_that_looks_like_markup_is_shown_as_it_is(cli, published, picture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture.rename(tmp_path / "[red]:cat:.png")
    assert "[red]:cat:.png" in cli("predict", published / "lenet5.onnx", "[red]:cat:.png").stdout


def test_a_bad_picture_is_named_and_the_others_are_labelled(cli, published, picture, tmp_path, monkeypatch):
    """In one JSON with the runtime's own command."""
    from lenetx_runtime.__main__ import main

    monkeypatch.chdir(tmp_path)
    pathlib.Path("bad.png").write_bytes(b"no picture")
    arguments = ("predict", published / "lenet5.onnx", "bad.png", picture.name)
    shown = cli(*arguments, "--show-frame", "seen.png")
    assert shown.exit_code == 2
    assert shown.stderr.startswith("lenetx: The image 'bad.png' is not a readable PNG")
    assert picture.name in shown.stdout
    assert pathlib.Path("seen.png").exists()
    found = cli(*arguments, "--json")
    assert found.exit_code == 2
    with contextlib.redirect_stdout(io.StringIO()) as output:
        assert main([*map(str, arguments), "--json"]) == 2
    assert json.loads(found.stdout) == json.loads(output.getvalue())
    assert [each["image"] for each in json.loads(found.stdout)["errors"]] == ["bad.png"]


def test_an_onnx_model_is_read_without_torch(python, published, picture):
    code = """
import sys
from lenetx_cli.app import app
try:
    app(sys.argv[1:])
finally:
    assert not {"torch", "onnx"} & sys.modules.keys()
"""
    done = python("-c", code, "predict", published / "lenet5.onnx", picture, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["predictions"][0]["label"] == "7"


def test_show_frame_writes_what_the_network_sees(cli, published, tmp_path, seven):
    for name, levels in (("first.png", seven), ("second.png", 255 - seven)):
        PIL.Image.fromarray(levels).save(tmp_path / name)
    shown = tmp_path / "shown.png"
    done = cli(
        "predict", published / "lenet5.onnx", tmp_path / "first.png", tmp_path / "second.png", "--show-frame", shown
    )
    assert done.exit_code == 0
    frames = np.asarray(PIL.Image.open(shown))
    assert frames.shape == (56, 28)
    np.testing.assert_array_equal(frames[:28], frames[28:])
    assert frames.max() == 255


def test_a_frame_that_cannot_be_written_is_a_sentence_after_the_answer(cli, published, picture):
    result = cli("predict", published / "lenet5.onnx", picture, "--show-frame", picture / "shown.png")
    assert result.exit_code == 2
    (sentence,) = result.stderr.splitlines()
    assert "shown.png" in sentence or "seven.png" in sentence
    assert "seven.png" in result.stdout


def test_what_a_file_says_does_not_steer_the_terminal(cli, checkpoint, seven, tmp_path):
    steering = "\x1b]0;owned\x07\x1b[31m{}\n\r\u202e\u2028[bold]"
    labels = tuple(map(steering.format, range(10)))
    spec = dataclasses.replace(checkpoint.spec, labels=labels, producer=steering)
    lenetx.save(dataclasses.replace(checkpoint, spec=spec), tmp_path / "hostile.pt")
    picture = tmp_path / "\x1b[2J.png"
    PIL.Image.fromarray(seven).save(picture)
    for arguments in (
        ("predict", tmp_path / "hostile.pt", picture),
        ("inspect", tmp_path / "hostile.pt"),
        ("predict", tmp_path / "hostile.pt", tmp_path / "\x1b[2J\x9b\nabsent.png"),
        ("inspect", tmp_path / "\x1b[2J\x9b\nabsent.pt"),
    ):
        done = cli(*arguments)
        shown = done.stdout + done.stderr
        assert {letter for letter in shown if not letter.isprintable()} == {"\n"}
        assert "\\x1b" in shown
    exact = json.loads(cli("predict", tmp_path / "hostile.pt", picture, "--json").stdout)
    assert exact["predictions"][0]["label"] in labels
