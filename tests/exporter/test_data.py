"""The bundled digits, and what every data set promises."""

import numpy as np
import pytest

from lenetx import data
from lenetx.data.dataset import Split, hold_out
from lenetx.errors import InputError, UnknownName


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def parts(dataset):
    return {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}


def rows(split):
    return {image.tobytes() + bytes([label]) for image, label in zip(split.images, split.labels, strict=True)}


def test_digits_have_their_documented_size(digits):
    assert {name: len(split) for name, split in parts(digits).items()} == {
        "train": 1257,
        "validation": 180,
        "test": 360,
    }
    assert digits.name == "digits"
    assert digits.class_names == tuple("0123456789")
    assert digits.epochs >= 1
    assert digits.framing == "mnist"


def test_images_are_grey_levels_and_labels_are_classes(digits):
    for split in parts(digits).values():
        assert split.images.dtype == np.uint8
        assert split.images.shape == (len(split), 8, 8)
        assert split.labels.dtype == np.int64
        assert set(split.labels.tolist()) == set(range(10))
    assert (digits.train.images.min(), digits.train.images.max()) == (0, 255)


def test_no_image_is_in_two_parts_and_none_is_lost(digits):
    from sklearn.datasets import load_digits

    sets = [rows(split) for split in parts(digits).values()]
    whole = load_digits()
    source = rows(Split(np.rint(whole.images * 255 / 16).astype(np.uint8), whole.target.astype(np.int64)))
    assert set.union(*sets) == source
    assert sum(map(len, sets)) == len(source) == 1797


def test_the_parts_are_the_same_every_time(digits):
    again = data.load("digits")
    for name, split in parts(again).items():
        assert np.array_equal(split.images, parts(digits)[name].images)
        assert np.array_equal(split.labels, parts(digits)[name].labels)


def test_labels_stay_with_their_images(digits):
    """The mean image of a class is nearer to its own test images than to those of any other class."""
    means = np.stack([digits.train.images[digits.train.labels == label].mean(axis=0) for label in range(10)])
    distances = np.abs(digits.test.images[:, None] - means[None]).sum(axis=(2, 3))
    assert (distances.argmin(axis=1) == digits.test.labels).mean() > 0.85


def test_framed_images_are_frames_of_the_runtime(digits, checkpoint):
    from lenetx_runtime.preprocess import frame

    framed = digits.validation.framed(checkpoint.spec)
    assert framed.images.shape == (180, 28, 28)
    assert np.array_equal(framed.labels, digits.validation.labels)
    for position in (0, 90, 179):
        assert np.array_equal(framed.images[position], frame(digits.validation.images[position], checkpoint.spec))


@pytest.mark.parametrize("count", [1, 5, 9])
def test_hold_out_divides_and_keeps_the_order(count):
    whole = Split(np.arange(40, dtype=np.uint8).reshape(10, 2, 2), np.arange(10, dtype=np.int64))
    rest, held = hold_out(whole, count)
    assert len(held) == count
    assert sorted([*rest.labels, *held.labels]) == list(range(10))
    for part in (rest, held):
        assert list(part.labels) == sorted(part.labels)
        assert np.array_equal(part.images[:, 0, 0], part.labels * 4)


def test_a_data_set_that_does_not_exist_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(UnknownName, match="Did you mean 'mnist'"):
        data.load("mnis", tmp_path)


def test_a_folder_means_nothing_to_the_digits(tmp_path):
    with pytest.raises(InputError, match="come with scikit-learn"):
        data.load("digits", tmp_path)
