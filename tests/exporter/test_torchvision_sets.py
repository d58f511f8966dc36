"""MNIST's relatives, from small files laid out as the originals are; the originals are not on this machine."""

import dataclasses
import struct

import numpy as np
import PIL.Image
import pytest

import lenetx
from lenetx import data
from lenetx.data.torchvision_sets import SETS
from lenetx.errors import DataError, DataMissing
from lenetx.torchvision_loader import import_torchvision
from lenetx_runtime import Classifier

TRAIN, TEST, VALIDATION = 200, 30, 20
UINT8, INT32 = 0x08, 0x0C
RELATIVES = ("fashion-mnist", "kmnist", "qmnist", "emnist-digits")
FILES = {
    "fashion-mnist": (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ),
    "qmnist": (
        "qmnist-train-images-idx3-ubyte",
        "qmnist-train-labels-idx2-int",
        "qmnist-test-images-idx3-ubyte",
        "qmnist-test-labels-idx2-int",
    ),
    "emnist-digits": tuple(
        f"emnist-digits-{part}-{kind}-ubyte" for part in ("train", "test") for kind in ("images-idx3", "labels-idx1")
    ),
}
FILES["kmnist"] = FILES["fashion-mnist"]


def idx(array, kind=UINT8):
    header = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(">u1" if kind == UINT8 else ">i4").tobytes()


def pictures(count, seed):
    """Images with a bar whose place tells the label, so that they can be learnt, and labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, count)
    images = random.integers(0, 12, (count, 28, 28))
    for image, label in zip(images, labels, strict=True):
        image[2 + 2 * label : 5 + 2 * label, 4:20] = 250
    return images.astype(np.uint8), labels


@pytest.fixture(params=RELATIVES)
def name(request):
    return request.param


@pytest.fixture
def folder(tmp_path, monkeypatch, name):
    """A folder with small files of ``name``, whose true size is made small too."""
    monkeypatch.delenv("LENETX_DATA", raising=False)
    small = dataclasses.replace(SETS[name], train=TRAIN, test=TEST, validation=VALIDATION)
    monkeypatch.setitem(SETS, name, small)
    raw = tmp_path / small.kind / "raw"
    raw.mkdir(parents=True)
    for (images, labels), (images_file, labels_file) in zip(
        (pictures(TRAIN, 1), pictures(TEST, 2)), (FILES[name][:2], FILES[name][2:]), strict=True
    ):
        stored = images.swapaxes(1, 2) if name == "emnist-digits" else images
        (raw / images_file).write_bytes(idx(stored))
        if name == "qmnist":
            writers = np.full((len(labels), 7), 99)
            (raw / labels_file).write_bytes(idx(np.column_stack([labels, writers]), INT32))
        else:
            (raw / labels_file).write_bytes(idx(labels))
    return tmp_path


def test_every_image_and_label_is_read_as_it_is(folder, name):
    found = data.load(name, folder)
    assert [len(part) for part in (found.train, found.validation, found.test)] == [
        TRAIN - VALIDATION,
        VALIDATION,
        TEST,
    ]
    images, labels = pictures(TEST, 2)
    assert np.array_equal(found.test.images, images)
    assert np.array_equal(found.test.labels, labels)
    rest = np.concatenate([found.train.images, found.validation.images])
    assert sorted(image.tobytes() for image in rest) == sorted(image.tobytes() for image in pictures(TRAIN, 1)[0])
    assert len(found.class_names) == len(set(found.class_names)) == 10


@pytest.mark.slow
def test_it_is_trained_exported_proven_and_predicts_the_same_on_both_sides(folder, name, tmp_path):
    config = lenetx.TrainConfig(data=name, epochs=6, batch_size=20, learning_rate=0.01)
    checkpoint = lenetx.train(config, data_root=folder)
    assert checkpoint.metrics["test_accuracy"] > 0.8
    assert checkpoint.spec.framing == SETS[name].framing
    assert checkpoint.spec.labels == SETS[name].class_names
    reports = lenetx.export(checkpoint, folder=tmp_path / "out", data_root=folder)
    assert [report.passed for report in reports] == [True, True]
    assert reports[0].conclusion.endswith(f"({len(pictures(TEST, 2)[0])} test images of {name}).")
    image = pictures(TEST, 2)[0][0]
    PIL.Image.fromarray(image).save(tmp_path / "one.png")
    with (
        lenetx.classifier(tmp_path / "out" / "lenet5.torchscript") as eager,
        Classifier(tmp_path / "out" / "lenet5.onnx") as runtime,
    ):
        assert eager.predict(tmp_path / "one.png").label == runtime.predict(image).label


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_a_file_that_was_cut_off_is_named(folder, name, kind):
    path = next(path for path in folder.rglob("*-idx*") if kind in path.name)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"/{SETS[name].kind}/raw/.*' cannot be read"):
        data.load(name, folder)


def test_another_number_of_images_is_not_complete(folder, name, monkeypatch):
    monkeypatch.setitem(SETS, name, dataclasses.replace(SETS[name], test=TEST + 1))
    with pytest.raises(DataError, match="is not complete"):
        data.load(name, folder)


def test_a_label_that_no_class_has_is_named(folder, name, monkeypatch):
    monkeypatch.setitem(SETS, name, dataclasses.replace(SETS[name], class_names=tuple("abcdefghi")))
    with pytest.raises(DataError, match="is damaged: it has a label 9"):
        data.load(name, folder)


def test_without_its_files_it_is_missing(tmp_path, monkeypatch, name):
    monkeypatch.delenv("LENETX_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(DataMissing, match=f"{SETS[name].kind} is not on this machine"):
        data.load(name, download=False)
    with pytest.raises(DataError, match=f"{SETS[name].kind} is not in"):
        data.load(name, tmp_path)


@pytest.fixture
def no_server(monkeypatch, name):
    """Addresses of the data set at which nobody answers."""
    nowhere = "http://127.0.0.1:9/"
    kind = getattr(import_torchvision().datasets, SETS[name].kind)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    if name == "qmnist":
        monkeypatch.setattr(
            kind, "resources", {"train": [(f"{nowhere}a-images-idx3-ubyte.gz", "0"), (f"{nowhere}b-idx2-int.gz", "0")]}
        )
    elif name == "emnist-digits":
        monkeypatch.setattr(kind, "url", f"{nowhere}gzip.zip")
    else:
        monkeypatch.setattr(kind, "mirrors", [nowhere])


@pytest.mark.usefixtures("no_server")
def test_a_download_that_fails_is_a_sentence(tmp_path, monkeypatch, name):
    monkeypatch.delenv("LENETX_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DataError, match=f"{SETS[name].kind} could not be downloaded: .*--data-root") as caught:
        data.load(name)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataMissing):
        data.load(name, download=False)
