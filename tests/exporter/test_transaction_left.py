"""What others have left in a folder: journals that are not sound, folders and links in the place of files."""

import json

import pytest

from lenetx.errors import OutputError
from lenetx.formats import COMPANIONS, FORMATS, suffix
from lenetx.publishing.transaction import lock_and_recover

from .old_files import OLD, OTHER, filled, repaired


@pytest.fixture
def folder(tmp_path):
    return filled(tmp_path / "models")


@pytest.mark.parametrize(
    "journal",
    [
        None,
        b"",
        b"{",
        b"[" * 5000,
        b'{"names": ["../outside"], "fresh": []}',
        b'{"names": [".."], "fresh": [""]}',
        b'{"names": ["m.onnx"]}',
        b'{"names": [5], "fresh": []}',
    ],
    ids=str,
)
def test_a_folder_without_a_sound_journal_only_goes_away(folder, journal):
    """As one of a lenetx of before, and as one that somebody has put there."""
    staged = folder / ".lenetx-abcdefgh"
    staged.mkdir()
    (staged / "m.onnx").write_bytes(b"never proven")
    if journal is not None:
        (staged / "journal.json").write_bytes(journal)
    (folder.parent / "outside").write_bytes(b"untouched")
    assert repaired(folder) == {**OLD, **OTHER}
    assert (folder.parent / "outside").read_bytes() == b"untouched"


@pytest.mark.parametrize("journal", ["journal.json", "journal.back.json"])
@pytest.mark.parametrize(
    "name", ["thesis.onnx.txt", "a\0.onnx", "\ud800.onnx", "a" * 5000 + ".onnx"], ids=lambda name: ascii(name[:9])
)
def test_nobody_s_journal_touches_files_that_lenetx_never_publishes(folder, journal, name):
    staged = folder / ".lenetx-abcdefgh"
    (staged / "old").mkdir(parents=True)
    for place in (folder, staged / "old"):
        (place / "thesis.onnx.txt").write_bytes(b"mine")
    (staged / journal).write_text(json.dumps({"names": [name], "fresh": [name]}))
    assert repaired(folder) == {**OLD, **OTHER, "thesis.onnx.txt": b"mine"}


@pytest.mark.parametrize("ending", [*map(suffix, FORMATS), *COMPANIONS.values(), ".onnx.verified.json"])
def test_a_journal_of_any_file_that_is_published_is_finished(folder, ending):
    name = f"new{ending}"
    staged = folder / ".lenetx-abcdefgh"
    staged.mkdir()
    (staged / name).write_bytes(b"proven")
    (staged / "journal.json").write_text(json.dumps({"names": [name], "fresh": [name]}))
    assert repaired(folder) == {**OLD, **OTHER, name: b"proven"}


def test_a_folder_in_the_place_of_a_journal_goes_too(folder):
    (folder / ".lenetx-abcdefgh" / "journal.json" / "more").mkdir(parents=True)
    assert repaired(folder) == {**OLD, **OTHER}


def test_a_folder_in_the_place_of_a_file_is_named_with_the_cure(folder):
    staged = folder / ".lenetx-abcdefgh"
    staged.mkdir()
    (staged / "m.onnx").write_bytes(b"proven")
    (staged / "journal.json").write_text(json.dumps({"names": ["m.onnx"], "fresh": []}))
    (folder / "m.onnx").unlink()
    (folder / "m.onnx" / "mine").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"Is a directory\. Move '.*m\.onnx' away, or delete '.*\.lenetx-abcdefgh'"):
        repaired(folder)
    (folder / "m.onnx" / "mine").rmdir()
    (folder / "m.onnx").rmdir()
    assert repaired(folder)["m.onnx"] == b"proven"


def test_a_link_is_neither_followed_nor_removed(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_bytes(b"mine")
    (folder / ".lenetx-link").symlink_to(outside)
    (folder / ".lenetx-file").write_bytes(b"a file")
    with lock_and_recover(folder):
        pass
    assert (outside / "mine").read_bytes() == b"mine"
    assert (folder / ".lenetx-link").is_symlink()
