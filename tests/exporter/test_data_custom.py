"""A custom data set: what means a path, what is recorded, what is held out, and its digest."""

import numpy as np
import PIL.Image
import pytest

from lenetx import DataOptions, TrainConfig, data
from lenetx.data.held_out import hold_out_by_class
from lenetx.errors import DataError, InputError, UnknownName

RANDOM = np.random.default_rng(2)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pictures(folder, count=12):
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            PIL.Image.fromarray(RANDOM.integers(0, 256, (5, 5), np.uint8)).save(folder / name / f"{number}.png")


def test_a_name_of_the_registry_wins_and_a_path_is_a_path(here):
    pictures(here / "digits")
    assert data.load("digits").class_names == tuple("0123456789")
    assert data.load("./digits").class_names == ("cat", "dog")
    assert data.load("digits/").class_names == ("cat", "dog")


@pytest.mark.parametrize(
    "name", ["labels.csv", "labels.CSV", "labels.tsv", "list.txt", "set.npz", "a/b", "pets/", "pets"]
)
def test_what_looks_like_a_path_may_be_configured(here, name):
    (here / "pets").mkdir()
    assert TrainConfig(data=name).data == name


@pytest.mark.parametrize("name", ["pets", "mnits", "labels.csv.gz", ""])
def test_what_does_not_is_a_name_that_is_not_known(here, name):  # noqa: ARG001
    with pytest.raises(UnknownName, match=r"There is no data set '.*There are: digits"):
        TrainConfig(data=name)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("none/", "There is no folder 'none'"),
        ("none/labels.csv", "There is no data set 'none/labels.csv'"),
        ("none/set.npz", "There is no data set 'none/set.npz'"),
        ("none/set.h5", "There is no 'none/set.h5'; a data set of your own is a .csv, a .npz or a folder"),
        ("./labels.text", "'./labels.text' is not a data set"),
        ("./labels", "'./labels' is not a data set"),
    ],
)
def test_a_path_with_nothing_usable_is_refused(here, path, words):
    for name in ("labels.text", "labels"):
        (here / name).write_text("0.png,cat\n")
    with pytest.raises(InputError, match=words):
        data.load(path)


@pytest.mark.parametrize("path", ["pets", "./pets/", "../{here}/pets", "{root}/pets", "pets/cat/.."])
def test_the_name_of_a_folder_holds_no_path(here, path):
    pictures(here / "pets")
    assert data.load(path.format(root=here, here=here.name)).name == "pets/"


def test_what_is_recorded_of_a_path_can_be_configured_again(here):
    pictures(here / "digits")
    name = data.load("./digits").name
    assert TrainConfig(data=name).data == name
    assert name not in data.names()


@pytest.mark.parametrize(
    ("options", "root", "words"),
    [
        (DataOptions(images="elsewhere"), None, "The folder of images 'elsewhere' does not apply to './pets'"),
        (DataOptions(), "elsewhere", "The folder 'elsewhere' does not apply to './pets', which is a path itself"),
    ],
)
def test_an_option_that_means_nothing_is_refused(here, options, root, words):
    pictures(here / "pets")
    with pytest.raises(InputError, match=words):
        data.load("./pets", root, options=options)


def test_the_digest_is_of_what_the_set_holds(here):
    pictures(here / "pets")
    digest = data.load("./pets").digest()
    assert len(digest) == 64
    (here / "pets").rename(here / "moved")
    (here / "moved/cat/0.png").touch()
    assert data.load("./moved").digest() == digest
    picture = here / "moved/cat/0.png"
    content = picture.read_bytes()
    picture.write_bytes((here / "moved/cat/1.png").read_bytes())
    changed = data.load("./moved").digest()
    picture.write_bytes(content)
    picture.rename(here / "moved/cat/other.png")
    renamed = data.load("./moved").digest()
    (here / "moved/cat/other.png").rename(here / "moved/dog/x.png")
    moved = data.load("./moved").digest()
    assert len({digest, changed, renamed, moved}) == 4


def test_the_digest_of_arrays_is_of_images_labels_and_names():
    digits = data.load("digits")
    assert digits.digest() == data.load("digits").digest()
    import dataclasses

    images, labels = digits.test.images.copy(), digits.test.labels.copy()
    images[3, 2, 1] ^= 1
    labels[0] = (labels[0] + 1) % 10
    others = [
        dataclasses.replace(digits, test=dataclasses.replace(digits.test, images=images)),
        dataclasses.replace(digits, test=dataclasses.replace(digits.test, labels=labels)),
        dataclasses.replace(digits, class_names=tuple("abcdefghij")),
        dataclasses.replace(digits, train=digits.validation, validation=digits.train),
    ]
    assert len({digits.digest(), *(other.digest() for other in others)}) == 5


@pytest.mark.parametrize("parts", [0, 1, 2])
def test_a_tenth_of_every_class_is_held_out_and_nothing_is_lost(parts):
    labels = np.repeat([0, 1, 2], [100, 30, 10])
    left, held = hold_out_by_class(labels, [f"{row}.png" for row in range(140)], parts)
    assert len(held) == parts
    for rows in held:
        assert np.bincount(labels[rows]).tolist() == [10, 3, 1]
    assert sorted(np.concatenate([left, *held])) == list(range(140))


@pytest.mark.parametrize(("count", "held_out"), [(1, 0), (2, 0), (3, 1), (14, 1), (16, 2)])
def test_a_small_class_keeps_an_image_for_the_training(count, held_out):
    _, held = hold_out_by_class(np.zeros(count, np.int64), [str(row) for row in range(count)], 2)
    assert [len(rows) for rows in held] == [held_out, held_out]


def test_what_is_held_out_depends_on_names_and_not_on_their_order():
    names, labels = [f"{row}.png" for row in range(200)], np.arange(200) % 2
    _, (test,) = hold_out_by_class(labels, names, 1)
    order = RANDOM.permutation(200)
    _, (again,) = hold_out_by_class(labels[order], [names[row] for row in order], 1)
    assert {names[row] for row in test} == {names[order[row]] for row in again}


def test_a_set_that_grows_keeps_nearly_all_of_its_test_images():
    names, labels = [f"{row}.png" for row in range(1100)], np.zeros(1100, np.int64)
    _, (before,) = hold_out_by_class(labels[:1000], names[:1000], 1)
    _, (after,) = hold_out_by_class(labels, names, 1)
    assert len(set(before) & set(after)) > 85


def test_two_classes_are_the_fewest(here):
    pictures(here / "pets", 2)
    with pytest.raises(DataError, match="'pets/' has too few images: none is left for validation and test"):
        data.load("./pets")


def test_a_name_that_no_file_can_have_is_no_data_set(here):
    (here / "labels.csv").write_text("a.png,cat\n")
    with pytest.raises(UnknownName):
        data.load("a" * 300)
    with pytest.raises(DataError, match="There is no folder"):
        data.load("./" + "a" * 300)
    with pytest.raises(DataError, match="There is no folder of images"):
        data.load("labels.csv", options=DataOptions(images=here / ("a" * 300)))
