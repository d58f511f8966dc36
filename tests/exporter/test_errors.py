"""The error tree of the exporter: exit codes, bases, and what a mistyped name is told."""

import pytest

import lenetx_runtime
from lenetx import data, errors, formats, models


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ProofFailed("wrong", ()), 1),
        (errors.InputError("wrong"), 2),
        (errors.DataError("wrong"), 2),
        (errors.UnknownName("format", "x", ["y"]), 2),
        (errors.OutputError("wrong"), 2),
        (errors.DeviceUnavailable("wrong"), 3),
        (errors.EngineMissing("wrong"), 3),
        (errors.ArtifactError("wrong"), 4),
        (errors.CheckpointError("wrong"), 4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_error_has_the_base_and_the_exit_code_of_its_kind(error, code):
    assert isinstance(error, lenetx_runtime.LenetxError)
    assert error.exit_code == code


def test_a_damaged_checkpoint_is_caught_like_any_damaged_artifact():
    with pytest.raises(lenetx_runtime.ArtifactError):
        raise errors.CheckpointError("It is damaged.")


DATA_SETS = ("digits", "mnist", "fashion-mnist", "kmnist", "qmnist", "emnist-digits")


NETWORKS = (*models.names(), "torchvision:NAME", "timm:NAME", "FILE.py:NAME")


@pytest.mark.parametrize(
    ("look_up", "mistyped", "meant", "all_names"),
    [
        (data.load, "digit", "digits", DATA_SETS),
        (data.load, "MNIST", "mnist", DATA_SETS),
        (models.input_shape, "lenet-5", "lenet5", NETWORKS),
        (models.input_shape, "lenet5-1989", "lenet5-1998", NETWORKS),
        (formats.get, "onxx", "onnx", tuple(formats.FORMATS)),
        (formats.require, "torch-script", "torchscript", tuple(formats.FORMATS)),
    ],
)
def test_a_mistyped_name_is_told_the_nearest_one_and_all_others(look_up, mistyped, meant, all_names):
    with pytest.raises(errors.UnknownName) as caught:
        look_up(mistyped)
    message = str(caught.value)
    assert f"'{mistyped}'" in message
    assert f"Did you mean '{meant}'?" in message
    assert message.endswith(f"There are: {', '.join(all_names)}.")


def test_a_name_like_no_other_gets_no_suggestion():
    with pytest.raises(errors.UnknownName) as caught:
        formats.get("zzzzzz")
    assert str(caught.value) == f"There is no format 'zzzzzz'. There are: {', '.join(formats.FORMATS)}."


def test_the_defaults_are_names_that_exist():
    assert data.DEFAULT in data.names()
    assert models.DEFAULT in models.names()
    for name in formats.DEFAULT:
        formats.require(name)
