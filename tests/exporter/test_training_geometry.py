"""Which input a network is trained for, and how images become it."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from lenetx import TrainConfig, data, models
from lenetx.errors import InputError
from lenetx.training.geometry import framing_of, settle_input

OWN = models.Architecture("net.py:Net@0", lambda: None)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def pictures(digits):
    images = data.Split(np.zeros((4, 20, 30, 3), np.uint8), np.zeros(4, np.int64))
    return dataclasses.replace(digits, train=images, framing="letterbox")


def test_options_count_most_then_the_network_then_the_images(digits, pictures):
    lenet = models.resolve("lenet5")
    assert settle_input(TrainConfig(), lenet, pictures) == (1, 32, 32)
    assert settle_input(TrainConfig(), OWN, digits) == (1, 28, 28)
    assert settle_input(TrainConfig(), OWN, pictures) == (3, 20, 30)
    assert settle_input(TrainConfig(input_size=(48, 64)), OWN, pictures) == (3, 48, 64)
    assert settle_input(TrainConfig(channels=3), lenet, digits) == (3, 32, 32)


def test_images_in_files_need_the_options(pictures):
    files = dataclasses.replace(pictures, train=SimpleNamespace())
    with pytest.raises(InputError, match="give --input-size and --channels"):
        settle_input(TrainConfig(), OWN, files)
    assert settle_input(TrainConfig(input_size=(8, 9), channels=1), OWN, files) == (1, 8, 9)


@pytest.mark.parametrize(
    ("shape", "framing"),
    [
        ((1, 28, 28), "mnist"),
        ((1, 32, 32), "mnist"),
        ((1, 36, 36), "mnist"),
        ((1, 38, 38), "stretch"),
        ((1, 31, 31), "stretch"),
        ((1, 24, 24), "stretch"),
        ((1, 32, 28), "stretch"),
        ((3, 32, 32), "stretch"),
    ],
)
def test_digits_are_padded_a_little_else_stretched_and_that_is_said(digits, shape, framing):
    found, notice = framing_of(TrainConfig(), digits, shape)
    assert found == framing
    assert (notice is None) == (framing == "mnist")
    assert notice is None or "are stretched to " + "×".join(map(str, shape)) in notice


def test_pictures_keep_their_framing(pictures):
    assert framing_of(TrainConfig(), pictures, (3, 64, 64)) == ("letterbox", None)


def test_a_framing_that_was_asked_for_is_taken_or_refused(digits, pictures):
    assert framing_of(TrainConfig(framing="mnist"), pictures, (1, 32, 32)) == ("mnist", None)
    assert framing_of(TrainConfig(framing="stretch"), digits, (1, 32, 32)) == ("stretch", None)
    with pytest.raises(InputError, match="28×28 grey pixels, which do not fit the input 3×32×32 of lenet5"):
        framing_of(TrainConfig(framing="mnist"), digits, (3, 32, 32))
