"""Where a setting comes from: an option, else the file, else the recipe, else the default."""

import dataclasses

import pytest
import torch

from lenetx import Augmentation, TrainConfig, settle
from lenetx.errors import InputError, UnknownName
from lenetx.training.optimizers import optimizer
from lenetx.training.settings import RECIPES


@pytest.fixture
def toml(tmp_path):
    """The function that writes a configuration file and gives its path."""

    def write(text):
        path = tmp_path / "train.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_nothing_said_is_the_default():
    assert settle({}) == TrainConfig() == settle({}, name="default")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_whole_configuration(name):
    config = settle({}, name=name)
    for field, value in RECIPES[name].items():
        if field != "augmentation":
            assert getattr(config, field) == value


def test_the_notes_are_the_tutorials_own():
    config = settle({}, name="notes")
    assert (config.optimizer, config.learning_rate, config.batch_size, config.epochs) == ("sgd", 1e-3, 64, 10)
    assert (config.momentum, config.schedule) == (0.0, "constant")


def test_an_option_beats_the_file_and_the_file_the_recipe(toml):
    file = toml('recipe = "notes"\nepochs = 3\nlearning_rate = 0.5\n[augmentation]\nshift = 1\nrotate = 2')
    config = settle({"learning_rate": 0.25, "augmentation": {"rotate": 7.0}}, file=file)
    expected = dataclasses.replace(
        settle({}, name="notes"), epochs=3, learning_rate=0.25, augmentation=Augmentation(shift=1, rotate=7.0)
    )
    assert config == expected
    assert settle({}, file=file, name="default").optimizer == "adam"


def test_everything_that_a_checkpoint_records_can_be_said_again(checkpoint):
    again = TrainConfig.from_mapping(checkpoint.config)
    assert again.to_mapping() == dict(checkpoint.config)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("epoch = 3", UnknownName, "There is no setting 'epoch'. Did you mean 'epochs'"),
        ("[augmentation]\nshifts = 3", UnknownName, "There is no augmentation 'shifts'. Did you mean 'shift'"),
        ('recipe = "nodes"', UnknownName, "There is no recipe 'nodes'. Did you mean 'notes'"),
        ("recipe = 3", InputError, "The setting recipe is 3, not of type str"),
        ('epochs = "3"', InputError, "The setting epochs is '3', not of type int"),
        ("epochs = 3.5", InputError, "The setting epochs is 3.5, not of type int"),
        ("epochs = true", InputError, "The setting epochs is True, not of type int"),
        ("amp = 1", InputError, "The setting amp is 1, not of type bool"),
        ("learning_rate = [1]", InputError, r"The setting learning_rate is \[1\], not of type float"),
        ("augmentation = 3", InputError, "The setting augmentation must be a table"),
        ('[augmentation]\nshift = "far"', InputError, "The augmentation shift is 'far', not of type float"),
        ("epochs = 0", InputError, "The number of epochs is 0"),
        ("epochs", InputError, "is not TOML"),
        (b"\xff\xfe", InputError, "is not TOML"),
        (f"learning_rate = 1{'0' * 400}", InputError, "The setting learning_rate is 10+, not of type float"),
        (f"input_size = '{'9' * 5000}'", InputError, "The input size is '9+'"),
        (f"{'a.' * 10_000}b = 1", InputError, "larger than 16,384 bytes"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(toml, text, error, words):
    with pytest.raises(error, match=words):
        settle({}, file=toml(text))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"There is no configuration '.*train\.toml'"):
        settle({}, file=tmp_path / "train.toml")


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_whole_numbers_are_fractions_to_an_optimizer(name):
    config = TrainConfig.from_mapping({"optimizer": name, "momentum": 0, "second_moment": 0})
    group = optimizer(config, [torch.nn.Parameter(torch.zeros(2))]).param_groups[0]
    assert group["betas"] == (0.0, 0.0)
