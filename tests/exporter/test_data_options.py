"""How a data set is read, from values, texts and a file."""

from pathlib import Path

import pytest

from lenetx import DataOptions, settle, settle_data_options
from lenetx.data.options import parse_size
from lenetx.errors import InputError, UnknownName


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1GiB", 2**30),
        ("500MB", 500_000_000),
        ("4096", 4096),
        ("1.5 g", 1_500_000_000),
        ("2kib", 2048),
        ("7b", 7),
        ("0.5KiB", 512),
    ],
)
def test_a_size_is_read_as_people_write_it(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1GB", "1 GBit", "0", "0.1", "nan", "1e9", "1,5GB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(InputError, match="is not a size: write 1GiB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"memory_limit": 0}, "The memory limit is 0 bytes"),
        ({"workers": -1}, "The number of workers is -1"),
        ({"workers": 257}, "The number of workers is 257"),
    ],
)
def test_values_out_of_range_are_refused(values, words):
    with pytest.raises(InputError, match=words):
        DataOptions(**values)


def test_what_is_said_beats_the_file_and_the_file_the_defaults(tmp_path):
    file = tmp_path / "train.toml"
    file.write_text('epochs = 3\n[data_options]\nimages = "pictures"\nmemory_limit = "1MiB"\nskip_bad = true')
    assert settle_data_options({"memory_limit": "2MiB", "workers": 2}, file=file) == DataOptions(
        images=Path("pictures"), memory_limit=2**21, skip_bad=True, workers=2
    )
    assert settle({}, file=file).epochs == 3
    assert settle_data_options({}) == DataOptions()


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("[data_options]\nimage = 'a'", UnknownName, "There is no data option 'image'. Did you mean 'images'"),
        ("[data_options]\nimages = 3", InputError, "The data option images is 3"),
        ("[data_options]\nskip_bad = 1", InputError, "The data option skip_bad is 1"),
        ("[data_options]\nworkers = true", InputError, "The data option workers is True"),
        ("[data_options]\nmemory_limit = 1.5", InputError, r"The data option memory_limit is 1\.5"),
        ("data_options = 3", InputError, "The setting data_options must be a table"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path, text, error, words):
    file = tmp_path / "train.toml"
    file.write_text(text)
    with pytest.raises(error, match=words):
        settle_data_options({}, file=file)
