"""Reading a file that a user named, whatever size it says it has."""

import os
from pathlib import Path

import pytest

from lenetx_runtime import InputError
from lenetx_runtime.files import read_bytes, require_file

SECRET = bytes(range(256)) * 10


@pytest.mark.parametrize("size", [0, 1, 2559, 2560])
def test_a_file_is_read_whole_up_to_the_limit(tmp_path, size):
    path = tmp_path / "picture"
    path.write_bytes(SECRET[:size])
    assert read_bytes(path, "image") == read_bytes(path, "image", limit=size) == SECRET[:size]


def test_one_byte_more_is_refused_by_the_limit(tmp_path):
    path = tmp_path / "picture"
    path.write_bytes(SECRET)
    with pytest.raises(InputError, match=r"^The image '.*picture' is larger than 2,559 bytes"):
        read_bytes(path, "image", limit=len(SECRET) - 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system has no /proc")
def test_a_file_that_says_it_is_empty_is_read_and_limited_by_what_it_holds():
    path = Path("/proc/self/status")
    assert path.stat().st_size == 0
    assert read_bytes(path, "image", limit=2**20).startswith(b"Name:")
    with pytest.raises(InputError, match="larger than 100 bytes"):
        read_bytes(path, "image", limit=100)


@pytest.mark.parametrize("said", [0, 100, 2559, 2561, 5000])
def test_a_file_that_grew_or_shrank_since_it_was_looked_at_is_read_as_it_is(tmp_path, monkeypatch, said):
    path = tmp_path / "picture"
    path.write_bytes(SECRET)
    monkeypatch.setattr("lenetx_runtime.files.require_file", lambda _path, _kind: said)
    assert read_bytes(path, "image", limit=max(said, len(SECRET))) == SECRET
    if said < len(SECRET):
        with pytest.raises(InputError, match="larger than"):
            read_bytes(path, "image", limit=len(SECRET) - 1)


@pytest.mark.parametrize("limit", [{}, {"limit": 2**32}])
def test_a_file_larger_than_the_limit_is_refused_unread(tmp_path, limit):
    path = tmp_path / "hole"
    with path.open("wb") as file:
        file.truncate(9 * 2**30)
    with pytest.raises(InputError, match=r"^The model '.*hole' is larger than (2048|4096) MiB, the most that is read"):
        read_bytes(path, "model", **limit)


def test_a_file_that_does_not_fit_into_the_memory_is_said_to_be_too_large(tmp_path, monkeypatch):
    def exhausted(_descriptor, _size):
        raise MemoryError

    path = tmp_path / "picture"
    path.write_bytes(SECRET)
    monkeypatch.setattr("os.read", exhausted)
    with pytest.raises(InputError, match="has 2,560 bytes, which do not fit into the memory"):
        read_bytes(path, "image")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_takes_the_place_of_a_file_after_it_was_looked_at_is_not_waited_for(tmp_path, monkeypatch, make):
    path = tmp_path / "picture"

    def swapped(path, kind):
        path.write_bytes(SECRET)
        size = require_file(path, kind)
        path.unlink()
        make(path)
        return size

    monkeypatch.setattr("lenetx_runtime.files.require_file", swapped)
    with pytest.raises(InputError, match=r"is a (device or a pipe|directory), not an image"):
        read_bytes(path, "image")
