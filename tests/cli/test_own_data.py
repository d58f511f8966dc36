"""A custom data set on the command line: trained on, exported, proven, and refused in one sentence."""

import csv
import json
import shutil

import numpy as np
import PIL.Image
import pytest

import lenetx
from lenetx import data

QUICK = ("--epochs", 2, "-o", "artifacts/own.pt")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder with the digits as PNG files: ``pictures/3/17.png``, and ``labels.csv`` that lists them."""
    folder = tmp_path_factory.mktemp("drawn")
    test = data.load("digits").test
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label"))
        for number, (image, label) in enumerate(zip(test.images, test.labels.tolist(), strict=True)):
            name = f"{label}/{number}.png"
            (folder / "pictures" / str(label)).mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(np.kron(image, np.ones((2, 3), np.uint8))).save(folder / "pictures" / name)
            table.writerow((name, label))
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch, drawn):
    """A copy of it as the current folder."""
    shutil.copytree(drawn, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def train(cli, *arguments):
    result = cli("train", *arguments, *QUICK)
    assert result.exit_code == 0, result.stderr
    return result


def checks(result):
    """Return the status of every check, by its name, of the one report of ``--json``."""
    (report,) = json.loads(result.stdout)["reports"]
    return {check["name"]: check for check in report["checks"]}


@pytest.mark.slow
def test_a_list_of_pictures_goes_from_training_to_the_proof(cli, here):
    result = train(cli, "--data", "labels.csv", "--images", "pictures", "--framing", "mnist")
    assert (
        "Note: 'labels.csv' has no part for validation and test: 35 for validation and 35 for test are held "
        "out, 10% of each class.\n"
    ) in result.stderr
    checkpoint = lenetx.load(here / "artifacts/own.pt")
    assert (checkpoint.config["data"], checkpoint.config["framing"], checkpoint.spec.framing) == (
        *("labels.csv", "mnist", "mnist"),
    )
    unseen = cli("export", "artifacts/own.pt", "-f", "onnx", "--json")
    assert unseen.exit_code == 0
    found = checks(unseen)
    assert found["real inputs"]["status"] == found["labels"]["status"] == "not_run"
    assert "It was trained on 'labels.csv', a custom data set: give its path with --data" in unseen.stdout
    seen = cli(
        "export", "artifacts/own.pt", "-f", "onnx", "--json", "--data", "../here/labels.csv", "--images", "pictures"
    )
    assert checks(seen)["labels"]["status"] == "passed"
    assert checks(seen)["labels"]["subject"] == "35 test images of labels.csv"
    verified = cli("verify", "artifacts/own.onnx", "--data", "labels.csv", "--images", "pictures", "-v")
    assert verified.exit_code == 0
    accuracy = checkpoint.metrics["test_accuracy"]
    assert f"Accuracy {accuracy:.2%}, the reference's {accuracy:.2%}" in verified.stdout


def test_no_file_that_is_written_names_a_place(cli, here):
    train(cli, "--data", here / "pictures")
    cli("export", "artifacts/own.pt", "--data", here / "pictures")
    written = sorted(path.name for path in (here / "artifacts").iterdir())
    artifacts = ("own.onnx", "own.torchscript")
    certificates = [f"{name}.verified.json" for name in artifacts]
    assert written == sorted(["manifest.json", "own.history.jsonl", "own.pt", *artifacts, *certificates])
    for path in (here / "artifacts").iterdir():
        content = path.read_bytes()
        assert str(here).encode() not in content
        assert str(here.parent).encode() not in content


def test_the_place_of_a_set_does_not_change_the_checkpoint(cli, here):
    train(cli, "--data", "pictures")
    first = (here / "artifacts/own.pt").read_bytes()
    (here / "elsewhere").mkdir()
    (here / "pictures").rename(here / "elsewhere/pictures")
    train(cli, "--data", "elsewhere/pictures", "--memory-limit", "10kB", "--workers", "0")
    assert (here / "artifacts/own.pt").read_bytes() == first


def test_options_may_stand_in_the_configuration_file(cli, here):
    (here / "train.toml").write_text('data = "labels.csv"\n[data_options]\nimages = "pictures"\nskip_bad = true\n')
    (here / "labels.csv").write_text((here / "labels.csv").read_text() + "none.png,3\n")
    result = train(cli, "--config", "train.toml")
    assert (
        "Note: 1 row of 'labels.csv' cannot be used; training continues without them: line 362: There is no image"
        in result.stderr
    )
    assert lenetx.load(here / "artifacts/own.pt").metrics["skipped_rows"] == 1


def test_quiet_says_nothing(cli, here):  # noqa: ARG001
    assert train(cli, "--data", "pictures", "--quiet").stderr == ""


def test_an_artifact_is_not_proven_on_rows_that_cannot_be_used(cli, refused, here):
    train(cli, "--data", "pictures")
    test = data.load("./pictures").test
    (here / "pictures" / test.files[4]).write_bytes(b"no picture")
    arguments = ("artifacts/own.pt", "-f", "onnx", "-q", "--data", "pictures")
    assert f"1 row of 'pictures/' cannot be used; mend them or skip them with --skip-bad: {test.files[4]}: " in (
        refused(2, "export", *arguments)
    )
    assert not (here / "artifacts/own.onnx").exists()
    result = cli("export", *arguments, "--skip-bad", "--json")
    assert checks(result)["labels"]["subject"] == f"{len(test) - 1} test images of pictures/"
    seen = lenetx.reference(
        lenetx.load("artifacts/own.pt"), data_name="./pictures", data_options=lenetx.DataOptions(skip_bad=True)
    ).real.indices
    assert seen.tolist() == [row for row in range(len(test)) if row != 4]
    shutil.rmtree(here / "pictures/3")
    assert "'pictures/'" not in cli("verify", "artifacts/own.onnx", "--data", "pictures", "--skip-bad").stderr


def test_another_set_than_that_of_the_labels_is_refused(cli, refused, here):
    train(cli, "--data", "pictures")
    (here / "pictures/3").rename(here / "pictures/three")
    words = refused(2, "export", "artifacts/own.pt", "-q", "--data", "pictures")
    assert "rows of 'pictures/' cannot be used" in words
    assert "there is no class 'three'" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "labels.csv"], "Its paths start from its own folder, or from the one that --images names"),
        (["--data", "labels.csv", "--images", "none"], "There is no folder of images 'none'"),
        (["--data", "ragged.csv"], "Line 2 of 'ragged.csv' has 3 cells instead of 2"),
        (["--data", "utf16.csv"], "No picture of 'utf16.csv' can be used; line 1: There is no image"),
        (["--data", "empty.csv"], "'empty.csv' has no rows"),
        (["--data", "none.csv"], "There is no data set 'none.csv'"),
        (["--data", "./none"], "There is no folder 'none'"),
        (["--data", "none"], "There is no data set 'none'"),
        (["--data", "pictures/3"], "'pictures/3' has no folder per class"),
        (["--data", "out.csv"], "leads out of the folder, which only --follow-links allows"),
        (["--data", "float.npz"], "no exact grey levels"),
        (["--data", "object.npz"], "it holds Python objects"),
        (["--data", "pictures", "--classes", 9], "'pictures/' has 10 classes"),
        (["--data", "pictures", "--batch-size", 500], "The batch size is 500, but there are 290 training images"),
        (["--data", "pictures", "--data-root", "."], "The folder '.' does not apply to 'pictures'"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_what_is_no_data_set_is_one_sentence_and_no_checkpoint(refused, here, arguments, words):
    (here / "ragged.csv").write_text("pictures/0/1.png,0\na,b,c\n")
    (here / "utf16.csv").write_bytes("0.png,0\n".encode("utf-16"))
    (here / "empty.csv").write_text("path,label\n")
    (here / "out.csv").write_text("../a.png,0\n/etc/hostname,1\n")
    np.savez(here / "float.npz", images=np.full((9, 4, 4), 0.3), labels=np.arange(9) % 2)
    np.savez(here / "object.npz", images=np.array([None]), labels=np.arange(1))
    assert words in refused(2, "train", "-q", *arguments, *QUICK)
    assert not (here / "artifacts").exists()
