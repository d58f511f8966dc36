"""Class names as people keep them in files."""

import codecs
import json

import pytest

from lenetx.errors import InputError
from lenetx.weights.label_file import read_labels

NAMES = ("zero", "one", "two")
LINES = "\r\n".join(NAMES)
FILES = {
    "lines": LINES.encode(),
    "BOM": codecs.BOM_UTF8 + LINES.encode(),
    "utf-16": LINES.encode("utf-16"),
    "utf-16, big-endian": codecs.BOM_UTF16_BE + LINES.encode("utf-16-be"),
    "blank ends": b"\n" + LINES.encode() + b"\r\n\r\n  \n",
    "numbered": b"0 zero\n1 one\n2 two\n",
    "numbered with commas": b"0,zero\n1,one\n2,two\n",
    "numbered from 1": b"1. zero\n2. one\n3. two\n",
    "numbered under headings": b"index,name\n0,zero\n1,one\n2,two\n",
    "numbered at the end": b"zero,0\none,1\ntwo,2\n",
    "numbered at the end under headings": b"name;id\nzero;0\none;1\ntwo;2\n",
    "quoted": b'"zero"\n"one"\n"two"\n',
    "utf-16 without a mark": LINES.encode("utf-16-le"),
    "one line": b"zero, one,two\n",
    "one line with semicolons": b"zero; one;two\n",
    "one line with tabs": b"zero\tone\ttwo\n",
    "JSON list": json.dumps(NAMES).encode(),
    "JSON with a BOM": codecs.BOM_UTF8 + json.dumps(NAMES).encode(),
    "names by number": json.dumps({"0": "zero", "2": "two", "1": "one"}).encode(),
    "ImageNet's names by number": json.dumps({"0": ["n0", "zero"], "1": ["n1", "one"], "2": ["n2", "two"]}).encode(),
    "numbers by name": json.dumps({"two": 2, "zero": 0, "one": 1}).encode(),
    "configuration": json.dumps({"model": "x", "id2label": {"0": "zero", "1": "one", "2": "two"}}).encode(),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_of_file_gives_the_same_names(tmp_path, kind):
    (tmp_path / "labels").write_bytes(FILES[kind])
    assert read_labels(str(tmp_path / "labels")) == NAMES


def test_numbers_that_are_names_and_spaces_in_names_stay(tmp_path):
    (tmp_path / "labels.txt").write_text("0\n1\n2\n")
    assert read_labels(str(tmp_path / "labels.txt")) == ("0", "1", "2")
    (tmp_path / "labels.txt").write_text("zero, or none\n7 of hearts\n", "utf-8")
    assert read_labels(str(tmp_path / "labels.txt")) == ("zero, or none", "7 of hearts")
    for names in (
        ("1 of hearts", "2 of hearts"),
        ("class 0", "class 1"),
        ("background", "1 cat", "2 dog"),
        ("a, 0", "b"),
    ):
        (tmp_path / "labels.txt").write_text("\n".join(names), "utf-8")
        assert read_labels(str(tmp_path / "labels.txt")) == names
    assert read_labels("cat, dog") == ("cat", "dog")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Zahl-ü".encode("latin-1"), "are not UTF-8: save the file in that encoding"),
        (b'{"0": "zero", "2": "two"}', "are not a list of names: write them as"),
        (json.dumps({"9" * 9999: "zero"}).encode(), "are not a list of names"),
        (b"[1, 2]", "are not a list of names"),
        (b"[", "are not JSON"),
    ],
)
def test_what_is_no_list_of_names_is_told_what_one_is(tmp_path, content, words):
    (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_labels(str(tmp_path / "labels.txt"))


@pytest.mark.parametrize("content", [f"{'9' * 5000} a\n1 b\n", json.dumps({"9" * 5000: "a", "1": "b"})])
def test_numbers_that_no_class_has_are_no_traceback(tmp_path, content):
    (tmp_path / "labels.txt").write_text(content, encoding="utf-8")
    if content.startswith("{"):
        with pytest.raises(InputError, match="not a list of names"):
            read_labels(str(tmp_path / "labels.txt"))
    else:
        assert read_labels(str(tmp_path / "labels.txt")) == ("9" * 5000 + " a", "1 b")
