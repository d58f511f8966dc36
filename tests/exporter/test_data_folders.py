"""A folder per class, with or without parts."""

import hashlib
import os

import numpy as np
import PIL.Image
import pytest

from lenetx import DataOptions, data
from lenetx.errors import DataError
from lenetx_runtime.limits import DEFAULT_LIMITS


def fill(folder, classes, count=10):
    """Write so many different pictures of every class."""
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            levels = np.full((4 + index, 6), 20 * number + index, np.uint8)
            PIL.Image.fromarray(levels).save(folder / name / f"{index}.png")


@pytest.fixture
def folder(tmp_path):
    fill(tmp_path / "pets", ("dog", "cat", "ant"))
    return tmp_path / "pets"


def load(folder, **options):
    return data.load(f"{folder}/", options=DataOptions(**options))


def lengths(dataset):
    return len(dataset.train), len(dataset.validation), len(dataset.test)


def test_every_folder_is_a_class_and_every_file_in_one_part(folder):
    dataset = load(folder)
    assert dataset.class_names == ("ant", "cat", "dog")
    assert lengths(dataset) == (24, 3, 3)
    files = [file for part in (dataset.train, dataset.validation, dataset.test) for file in part.files]
    assert sorted(files) == sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    for part in (dataset.train, dataset.validation, dataset.test):
        assert [file.split("/")[0] for file in part.files] == [dataset.class_names[label] for label in part.labels]


def test_class_names_that_are_numbers_are_in_their_order(tmp_path):
    fill(tmp_path / "digits", ("10", "9", "2", "03"))
    (tmp_path / "digits/__MACOSX").mkdir()
    assert load(tmp_path / "digits").class_names == ("2", "03", "9", "10")


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Train", "valid", "tests"),
        ("training", "Validation", "testing"),
        ("TRAINING", "validate", "Testing"),
        ("train_set", "dev", "test-data"),
        ("trainset", "val images", "TestSet"),
    ],
)
def test_parts_that_are_there_are_taken_as_they_are(tmp_path, train, validation, test):
    for name, count in ((train, 5), (validation, 3), (test, 4)):
        fill(tmp_path / "pets" / name, ("dog", "cat"), count)
    dataset = load(tmp_path / "pets")
    assert lengths(dataset) == (10, 6, 8)
    assert dataset.class_names == ("cat", "dog")
    assert all(file.startswith(f"{validation}/") for file in dataset.validation.files)
    assert not dataset.notices


@pytest.mark.parametrize(("given", "expected"), [("test", (16, 2, 8)), ("val", (16, 8, 2))])
def test_a_part_that_is_missing_is_held_out_of_the_training(tmp_path, given, expected):
    fill(tmp_path / "pets/train", ("dog", "cat"), 9)
    fill(tmp_path / "pets" / given, ("dog", "cat"), 4)
    dataset = load(tmp_path / "pets")
    assert lengths(dataset) == expected
    assert any("2 for" in sentence and "held out" in sentence for sentence in dataset.notices)


def test_a_class_may_be_called_train_or_test(tmp_path):
    fill(tmp_path / "vehicles", ("train", "bus", "test"))
    assert load(tmp_path / "vehicles").class_names == ("bus", "test", "train")


def test_what_lies_beside_parts_is_not_read_and_that_is_noted(tmp_path):
    for part in ("training", "testing"):
        fill(tmp_path / "pets" / part, ("dog", "cat"))
    (tmp_path / "pets/docs").mkdir()
    (tmp_path / "pets/training/labels.csv").write_text("no picture")
    dataset = load(tmp_path / "pets")
    assert dataset.class_names == ("cat", "dog")
    assert len(dataset.test) == 20
    assert "'pets' has training and test folders, so its other entries are not read: docs." in dataset.notices


def test_names_that_are_not_utf8_become_labels_that_are_text(tmp_path):
    fill(tmp_path / "plain", ("gr0n", "rot"))
    folder = tmp_path / os.fsdecode(b"p\xe9ts")
    (tmp_path / "plain/gr0n").rename(tmp_path / "plain" / os.fsdecode(b"gr\xfcn"))
    (tmp_path / "plain/rot/0.png").rename(tmp_path / "plain/rot" / os.fsdecode(b"\xfc.png"))
    (tmp_path / "plain").rename(folder)
    dataset = load(folder)
    assert dataset.class_names == ("gr\\xfcn", "rot")
    assert dataset.name == "p\\xe9ts/"
    assert lengths(dataset) == (16, 2, 2)
    assert not dataset.unusable
    assert any("'gr\\xfcn' is not UTF-8" in sentence and "rename it" in sentence for sentence in dataset.notices)
    "".join(dataset.notices).encode()
    part = dataset.train
    assert [part.levels(row, 1).shape[1] for row in range(len(part))] == [6] * 16


def test_a_class_of_one_part_only_is_a_class(tmp_path):
    fill(tmp_path / "pets/train", ("dog", "cat"))
    fill(tmp_path / "pets/test", ("dog", "owl"))
    dataset = load(tmp_path / "pets")
    assert dataset.class_names == ("cat", "dog", "owl")
    assert set(dataset.test.labels) == {1, 2}


def test_hidden_files_and_files_beside_the_classes_are_no_pictures(folder):
    for name in ("README.txt", "cat/.DS_Store", "dog/Thumbs.db", ".hidden"):
        (folder / name).write_text("no picture")
    for name in ("__MACOSX/cat", ".ipynb_checkpoints", "@eaDir", ".cache", "cat/.ipynb_checkpoints"):
        (folder / name).mkdir(parents=True)
    for name in ("__MACOSX/cat/._1.png", "labels.csv", "cat/desktop.ini", "dog/thumbs.db", "dog/._1.png"):
        (folder / name).write_text("no picture")
    dataset = load(folder)
    assert lengths(dataset) == (24, 3, 3)
    assert not dataset.unusable
    assert dataset.class_names == ("ant", "cat", "dog")


def test_rows_that_cannot_be_used_are_named_and_nothing_hangs(folder, tmp_path):
    fill(tmp_path / "elsewhere", ("bee",), 2)
    (folder / "bee").symlink_to(tmp_path / "elsewhere/bee")
    (folder / "cat/far.png").symlink_to(tmp_path / "elsewhere/bee/0.png")
    (folder / "cat/twin.png").symlink_to("0.png")
    (folder / "cat/gone.png").symlink_to("none.png")
    (folder / "cat/kittens").mkdir()
    os.mkfifo(folder / "cat/pipe.png")
    problems = dict(problem.split(": ", 1) for problem in load(folder).unusable)
    assert problems.keys() == {
        *("bee/0.png", "bee/1.png", "cat/far.png", "cat/twin.png", "cat/gone.png", "cat/kittens", "cat/pipe.png")
    }
    for name in ("bee/0.png", "bee/1.png", "cat/far.png"):
        assert problems[name] == f"'{name}' leads out of the folder, which only --follow-links allows"
    assert problems["cat/twin.png"] == "'cat/twin.png' is there already, as cat/0.png"
    assert "There is no image" in problems["cat/gone.png"]
    assert problems["cat/kittens"] == "it is a folder among pictures; move its files up into 'cat'"
    assert "is a device or a pipe" in problems["cat/pipe.png"]
    followed = load(folder, follow_links=True)
    # far.png is bee/0.png, which comes first
    assert {problem.split(": ")[0] for problem in followed.unusable} == problems.keys() - {"bee/0.png", "bee/1.png"}
    assert any(problem.endswith("is there already, as bee/0.png") for problem in followed.unusable)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _: None, "There is no folder '"),
        (lambda folder: folder.mkdir(), "has no folder per class"),
        (lambda folder: fill(folder, ("cat",)), "has one class only, 'cat'"),
        (lambda folder: fill(folder, ("cat", "dog"), 0), "has too few images: none is left for train"),
        (lambda folder: (fill(folder / "train", ("cat", "dog")), (folder / "test").mkdir()), "test' has no folder per"),
        (
            lambda folder: [fill(folder / name, ("cat", "dog")) for name in ("train", "val", "valid")],
            "has the folders val and valid: only one can be the validation part",
        ),
        (
            lambda folder: fill(folder / "inner", ("cat", "dog")),
            "holds the folder 'inner' only: name '.*inner' instead",
        ),
        (lambda folder: fill(folder / "test", ("cat", "dog")), "holds the folder 'test' only: name '.*test' instead"),
        (
            lambda folder: fill(folder / "trainingSet/trainingSet", ("cat", "dog")),
            "trainingSet' holds the folder 'trainingSet' only: name '.*trainingSet/trainingSet' instead",
        ),
        (
            lambda folder: [fill(folder / name, ("cat", "dog")) for name in ("learn", "check")],
            "check and learn hold folders, not pictures. Call parts train, validation and test",
        ),
        (
            lambda folder: (folder.mkdir(), (folder / "labels.csv").write_text("0.png,cat")),
            "no folder per class: .* or name the file '.*labels.csv'",
        ),
        (lambda folder: folder.write_text("no folder"), "There is no folder|cannot|is not a data set"),
    ],
    ids=[
        "nothing",
        "empty",
        "one class",
        "no pictures",
        "an empty part",
        "two validations",
        "a wrapper",
        "a test part only",
        "a wrapped part",
        "odd parts",
        "a CSV",
        "a file",
    ],
)
def test_a_folder_that_is_no_data_set_is_refused(tmp_path, make, words):
    make(tmp_path / "pets")
    with pytest.raises(DataError, match=words):
        load(tmp_path / "pets")


def test_known_class_names_settle_the_numbers(folder):
    dataset = data.load(str(folder), class_names=("dog", "cat"))
    assert dataset.class_names == ("dog", "cat")
    assert len(dataset.unusable) == 10
    assert dataset.unusable[0] == "ant/0.png: there is no class 'ant'"
    assert {file[:3] for file in dataset.train.take((dataset.train.labels == 0).nonzero()[0]).files} == {"dog"}


def test_a_file_that_is_too_large_for_an_image_is_not_read_for_the_digest(tmp_path):
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(DEFAULT_LIMITS.image_bytes + 1)
    digest = hashlib.sha256()
    data.FileSplit(tmp_path, ("large.png",), np.array([1])).add_to(digest)
    assert digest.hexdigest() == hashlib.sha256(b"large.png\n1 unreadable\n").hexdigest()
