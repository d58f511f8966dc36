"""Arguments of a network and the size of its input, as they are written on the command line."""

import pytest

from lenetx.errors import InputError
from lenetx.models.arguments import parse, parse_size


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("n=3", 3),
        ("n=0.5", 0.5),
        ("n=True", True),
        ("n=true", True),
        ("n=same", "same"),
        ("n='3'", "3"),
        ("n=(1,2)", [1, 2]),
        ("n=a=b", "a=b"),
        ("n=", ""),
        ("n=__import__('os')", "__import__('os')"),
    ],
)
def test_values_are_literals_else_texts(text, value):
    found = parse([text])["n"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("texts", [["width"], ["=3"], ["a b=3"], ["n=1", "n=2"]])
def test_arguments_without_a_name_or_with_one_twice_are_refused(texts):
    with pytest.raises(InputError):
        parse(texts)


@pytest.mark.parametrize(
    ("value", "size"), [(32, (32, 32)), ("48x64", (48, 64)), ([48, 64], (48, 64)), ("32", (32, 32))]
)
def test_an_input_size(value, size):
    assert parse_size(value) == size


@pytest.mark.parametrize("value", ["", "x", "32x", "0", "32x0", "-3", "1x2x3", [1, 2, 3], True, 3.5, None, "9" * 5000])
def test_what_is_no_input_size_is_refused(value):
    with pytest.raises(InputError, match="input size"):
        parse_size(value)
