"""Choose calibration images: stratified, seeded, recorded by their digest."""

import dataclasses

import numpy as np
import pytest

from lenetx import Precision, data
from lenetx.errors import DataError, InputError, UnknownName
from lenetx.quantization.calibration import Calibration, sample


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def few(dataset, rows):
    return dataclasses.replace(dataset, train=dataset.train.take(np.asarray(rows)))


def test_the_images_are_stratified_seeded_and_recorded(digits, checkpoint):
    found, again, other = (sample(digits, checkpoint.spec, images=205, seed=seed) for seed in (0, 0, 1))
    assert found.calibration == again.calibration
    assert np.array_equal(found.inputs, again.inputs)
    assert found.calibration.sha256 != other.calibration.sha256
    assert found.inputs.shape == (205, *checkpoint.spec.input_shape)
    assert found.inputs.dtype == np.float32
    assert Calibration.from_text(found.calibration.to_text()) == found.calibration
    assert Calibration.from_text("by hand") is None
    assert Calibration.from_text(found.calibration.to_text().replace("205", "2" * 5000)) is None


@pytest.mark.parametrize("count", [100, 205, 10_000])
def test_no_class_has_more_than_one_image_more_than_another_that_has_any_left(digits, checkpoint, count):
    """Seen through a data set whose images are their labels."""
    labels = digits.train.labels
    images = np.zeros((len(labels), 28, 28), np.uint8)
    images[:, 14, 14] = 1 + labels
    seen = dataclasses.replace(digits, train=data.dataset.Split(images, labels))
    spec = dataclasses.replace(checkpoint.spec, framing="stretch", polarity="as_is")
    chosen = sample(seen, spec, images=count)
    levels = np.round((chosen.inputs[:, 0, 16, 16] * spec.std[0] + spec.mean[0]) * 255).astype(int) - 1
    counts, all_of = np.bincount(levels, minlength=10), np.bincount(labels, minlength=10)
    assert counts.sum() == min(count, len(labels))
    assert (counts <= all_of).all()
    assert (counts[counts < all_of] >= counts.max() - 1).all()


@pytest.mark.parametrize(
    ("change", "arguments", "error", "words"),
    [
        (lambda _: np.arange(99), {}, DataError, "has 99 training images; a calibration needs at least 100"),
        (lambda labels: np.flatnonzero(labels != 3), {}, DataError, "no training image of 3"),
        (lambda labels: np.arange(len(labels)), {"images": 99}, InputError, "is 99; it must be at least 100"),
        (lambda labels: np.arange(len(labels)), {"method": "minmaxx"}, UnknownName, "minmax"),
    ],
)
def test_images_that_are_too_few_or_lack_a_class_are_rejected(digits, checkpoint, change, arguments, error, words):
    with pytest.raises(error, match=words):
        sample(few(digits, change(digits.train.labels)), checkpoint.spec, **arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"name": "fp8"}, UnknownName, "fp16"),
        ({"name": "fp16", "calibration": "minmax"}, InputError, "`calibration` applies only to int8"),
        ({"name": "fp32", "calibration_images": 200}, InputError, "`calibration_images` applies only to int8"),
        ({"name": "fp32", "max_drop": 1.0}, InputError, "`max_drop` applies only to reduced precision"),
        ({"name": "int8", "max_drop": -1.0}, InputError, "0 to 100 percentage points"),
        ({"name": "int8", "max_drop": float("nan")}, InputError, "0 to 100 percentage points"),
    ],
)
def test_a_precision_that_cannot_be_is_rejected(arguments, error, words):
    with pytest.raises(error, match=words):
        Precision(**arguments)
