"""CSV files that are no data set, and what a table may cost before it is refused."""

import os

import pytest

from lenetx import DataOptions, data
from lenetx.errors import DataError, InputError

from .conftest import rows


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("0.png,cat\n1.png,dog,3\n", "Line 2 of '.*labels.csv' has 3 cells instead of 2"),
        ("0.png,cat\n\n1.png\n", "Line 3 of '.*' has 1 cell instead of 2"),
        ("0.png:cat\n", "Line 1 of '.*' has 1 cell instead of 2"),
        ("0.png;cat\n", "has one class only, 'cat'"),
        ("0.png,cat,big\n1.png,dog,big\n", "has the columns 1, 2, 3, and it is not clear which one holds the labels"),
        ("file,kind,size\n0.png,cat,big\n1.png,dog,big\n", "has the columns file, kind, size, and it is not clear"),
        ("file,label,split\n0.png,cat,test\n1.png,dog,test\n", "has no row of the part train, only of test"),
        ('0.png,"cat\n1.png,dog\n', "Line 2 of '.*' is not valid CSV"),
        ("", "has no rows"),
        ("\n\n", "has no rows"),
        ("path,label\n", "has no rows"),
        (b"0.png,cat\n1.png,caf\xe9\n", "is not UTF-8: byte 0xe9 in line 2"),
        (rows(lambda _: "cat"), "has one class only, 'cat'"),
        (rows(count=2), "has too few images: none is left for validation and test"),
        (rows(lambda number: number // 2 % 2, count=4), "has too few images"),
    ],
)
def test_a_file_that_is_no_data_set_is_refused(table, pictures, content, words):
    with pytest.raises(DataError, match=words):
        data.load(table(content), options=DataOptions(images=pictures))


def test_where_bad_rows_leave_too_little_they_are_what_is_named(table, tmp_path):
    with pytest.raises(DataError, match=r"No picture of 'labels.csv' can be used; line 1: There is.*--images"):
        data.load(table(rows()), options=DataOptions(images=tmp_path))


def test_a_folder_of_images_that_is_not_there_is_named(table, tmp_path):
    with pytest.raises(DataError, match=r"There is no folder of images '.*none': name it with --images"):
        data.load(table(rows()), options=DataOptions(images=tmp_path / "none"))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"There is no data set '.*none\.csv'"):
        data.load(str(tmp_path / "none.csv"))


def test_a_table_of_thousands_of_columns_is_not_looked_for_on_the_disk(table, pictures, monkeypatch):
    looks = []
    isfile = os.path.isfile
    monkeypatch.setattr("os.path.isfile", lambda path: looks.append(path) or isfile(path))
    wide = ",".join(f"text{number}" for number in range(3000))
    with pytest.raises(DataError, match="3,000 columns and is not a table of pixels"):
        data.load(table(f"{wide}\n" * 100), options=DataOptions(images=pictures))
    assert not looks
    with pytest.raises(DataError, match="not clear which one holds the labels"):
        data.load(table(f"{wide[: wide.index(',text900')]}\n" * 100), options=DataOptions(images=pictures))
    assert len(looks) < 400_000


def test_other_spellings_of_missing_pictures_are_not_tried_without_end(table, pictures, monkeypatch):
    looks = []
    isfile = os.path.isfile
    monkeypatch.setattr("os.path.isfile", lambda path: looks.append(path) or isfile(path))
    missing = "".join(f"no{number},cat\n" for number in range(3000))
    assert len(data.load(table(rows() + missing), options=DataOptions(images=pictures)).unusable) == 3000
    assert len(looks) < 1500 * 60
