"""Reading a file that a user named, whatever size it says it has."""

from pathlib import Path

import pytest

from lenetx_runtime import InputError
from lenetx_runtime.files import read_bytes

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
