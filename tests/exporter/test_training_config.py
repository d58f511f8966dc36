"""What a training run refuses to be told."""

import dataclasses

import pytest

from lenetx.errors import InputError, UnknownName
from lenetx.training import TrainConfig


def test_the_defaults_need_no_download_and_no_gpu():
    config = TrainConfig()
    assert (config.data, config.architecture, config.device) == ("digits", "lenet5", "cpu")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", 0, "The number of epochs is 0; it must be at least 1."),
        ("epochs", -3, "The number of epochs is -3; it must be at least 1."),
        ("batch_size", 0, "The batch size is 0; it must be at least 1."),
        ("learning_rate", 0.0, "The learning rate is 0.0; it must be positive."),
        ("learning_rate", -0.1, "The learning rate is -0.1; it must be positive."),
        ("learning_rate", float("nan"), "The learning rate is nan; it must be positive."),
        ("learning_rate", float("inf"), "The learning rate is inf; it must be positive."),
        ("seed", -1, "The seed is -1; it must not be negative."),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(field, value, message):
    with pytest.raises(InputError) as caught:
        TrainConfig(**{field: value})
    assert str(caught.value) == message


def test_a_seed_that_torch_cannot_take_is_refused():
    assert TrainConfig(seed=2**64 - 1).seed == 2**64 - 1
    with pytest.raises(InputError, match=r"The seed is 18446744073709551616; it must be at most"):
        TrainConfig(seed=2**64)


@pytest.mark.parametrize(
    ("field", "value", "meant"),
    [("data", "minst", "mnist"), ("architecture", "lenet", "lenet5"), ("architecture", "LeNet5-3x3", "lenet5-3x3")],
)
def test_a_mistyped_name_is_told_what_there_is(field, value, meant):
    with pytest.raises(UnknownName, match=f"Did you mean '{meant}'"):
        TrainConfig(**{field: value})


def test_a_configuration_cannot_be_changed_after_it_was_checked():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().epochs = 0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"patience": 0}, "The patience is 0"),
        ({"label_smoothing": 1.0}, "The label smoothing is 1.0"),
        ({"momentum": 1.0}, "The momentum is 1.0"),
        ({"momentum": float("nan")}, "The momentum is nan"),
        ({"second_moment": -0.1}, "The second moment is -0.1"),
        ({"weight_decay": -1e-3}, "The weight decay is -0.001"),
        ({"warm_up": 0.0}, "The warm-up is 0.0"),
        ({"gradient_clipping": 0.0}, "The gradient clipping is 0.0"),
        ({"ema": 1.0}, "The decay of the EMA is 1.0"),
        ({"label_smoothing": 0.1, "loss": "mse"}, "Label smoothing is for the cross-entropy; the loss is mse"),
        (
            {"warm_up": 0.1, "schedule": "cosine"},
            "A warm-up is for .*; the schedule is cosine",
        ),
    ],
)
def test_a_setting_out_of_range_or_in_contradiction_is_refused(values, words):
    with pytest.raises(InputError, match=words):
        TrainConfig(**values)


@pytest.mark.parametrize(
    ("field", "value", "meant"),
    [
        ("loss", "crossentropy", "cross-entropy"),
        ("optimizer", "AdamW", "adamw"),
        ("schedule", "onecycle", "one-cycle"),
        ("keep", "first", None),
    ],
)
def test_a_mistyped_choice_is_told_what_there_is(field, value, meant):
    with pytest.raises(UnknownName, match=f"Did you mean '{meant}'" if meant else "There are: best, last"):
        TrainConfig(**{field: value})
