"""What users state of weights: read from texts, refused where it cannot be."""

import pytest

from lenetx import Statement
from lenetx.errors import InputError, UnknownName


def test_texts_become_values():
    stated = Statement.of_texts(
        framing="stretch", mean="0.485, 0.456,0.406", std="0.2", labels="cat, dog", input_size="48x64", channels=3
    )
    assert stated == Statement("stretch", (0.485, 0.456, 0.406), (0.2,), ("cat", "dog"), (48, 64), 3)
    assert Statement.of_texts() == Statement()


@pytest.mark.parametrize(
    ("texts", "error", "words"),
    [
        ({"framing": "strech"}, UnknownName, "Did you mean 'stretch'"),
        ({"framing": "unknown"}, UnknownName, "There is no framing 'unknown'"),
        ({"mean": "0.5"}, InputError, "A mean or std needs a framing"),
        ({"framing": "mnist", "mean": "33.3", "std": "78.6"}, InputError, "give --mean 0.1306 --std 0.3082"),
        (
            {"framing": "mnist", "std": "78.6"},
            InputError,
            r"The std is 78\.6, as of levels from 0 to 255.*--std 0\.3082",
        ),
        ({"framing": "mnist", "mean": "0,1307"}, InputError, r"decimals with a point, as in 0\.1307"),
        ({"framing": "mnist", "mean": "0,1307;0,2"}, InputError, r"as in 0\.1307 or 0\.485,0\.456,0\.406"),
        ({"labels": "nothere.txt"}, InputError, r"There is no file of labels 'nothere\.txt'"),
        ({"labels": "data/names"}, InputError, "There is no file of labels 'data/names'"),
        ({"std": "0.5"}, InputError, "A mean or std needs a framing"),
        ({"framing": "stretch", "mean": "a,b"}, InputError, "The mean is 'a,b', not numbers"),
        ({"framing": "stretch", "std": "0.5,0"}, InputError, r"The std is 0\.5, 0\.0; each must be positive"),
        ({"framing": "stretch", "mean": "nan"}, InputError, "The mean is nan; each must be finite"),
        ({"framing": "stretch", "std": "inf"}, InputError, "The std is inf; each must be finite"),
        ({"labels": "one"}, InputError, "at least two"),
        ({"labels": "one,,three"}, InputError, "none of them empty"),
        ({"input_size": "big"}, InputError, "The input size is 'big'"),
        ({"channels": 2}, InputError, "The number of channels is 2; it must be 1"),
        ({"resize": 256}, InputError, "An interpolation or resize needs a framing"),
        ({"framing": "crop", "interpolation": "bicubik"}, UnknownName, "Did you mean 'bicubic'"),
    ],
)
def test_what_cannot_be_is_refused_with_what_came(texts, error, words):
    with pytest.raises(error, match=words):
        Statement.of_texts(**texts)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 32, 36), (1, 24, 24), (1, 29, 29)])
def test_the_framing_mnist_is_for_its_own_size(shape):
    with pytest.raises(InputError, match="The framing mnist gives 1×28×28"):
        Statement("mnist").frame_fields(shape)
    assert Statement("mnist").frame_fields((1, 32, 32))["padding"] == 2
    assert Statement("stretch").frame_fields(shape)["padding"] == 0


@pytest.mark.parametrize(
    ("stated", "interpolation", "resize"),
    [
        (Statement("stretch"), "lanczos", None),
        (Statement("stretch", interpolation="bicubic", resize=64), "bicubic", 64),
        (Statement("crop"), "bilinear", 48),
        (Statement("crop", interpolation="bicubic", resize=64), "bicubic", 64),
    ],
)
def test_what_is_not_stated_of_a_framing_has_a_default(stated, interpolation, resize):
    fields = stated.frame_fields((3, 32, 48))
    assert (fields["interpolation"], fields["resize"]) == (interpolation, resize)


def test_one_number_is_for_all_channels():
    assert Statement.of_texts(framing="mnist", mean="(0.1307,)", std="[0.3081]").mean == (0.1307,)
    assert Statement.of_texts(framing="stretch", mean="(0.5 0.4 0.3)").mean == (0.5, 0.4, 0.3)
    stated = Statement("stretch", mean=(0.5,), std=(0.1, 0.2, 0.3))
    assert stated.per_channel("mean", 3) == (0.5, 0.5, 0.5)
    assert stated.per_channel("std", 3) == (0.1, 0.2, 0.3)
    with pytest.raises(
        InputError, match="There are 3 numbers in the std for 1 channels: give one number, or --channels 3"
    ):
        stated.per_channel("std", 1)
