"""A file is written whole or not at all, on real disks that are full, read-only or not there."""

import os
from pathlib import Path

import pytest

from lenetx.errors import InputError, OutputError
from lenetx.files import exists, make_folder, require_writable, write_atomically
from lenetx_runtime.files import read_bytes

OLD, NEW = b"what stood there", b"new" * 100_000


def test_it_writes_and_replaces_and_makes_the_folders(tmp_path, contents):
    path = tmp_path / "a" / "b" / "model.onnx"
    write_atomically(path, OLD)
    assert path.read_bytes() == OLD
    write_atomically(path, NEW)
    assert contents(tmp_path) == {"a": None, "a/b": None, "a/b/model.onnx": NEW}


def test_a_full_disk_leaves_the_old_file_and_nothing_else(small_disk, contents):
    disk = small_disk("64k")
    (disk / "model.onnx").write_bytes(OLD)
    with pytest.raises(OutputError) as caught:
        write_atomically(disk / "model.onnx", NEW)
    assert str(caught.value) == f"'{disk / 'model.onnx'}' could not be written: No space left on device."
    assert contents(disk) == {"model.onnx": OLD}
    write_atomically(disk / "model.onnx", NEW[:40_000])  # and the space that was tried is free again
    assert contents(disk) == {"model.onnx": NEW[:40_000]}


def test_a_read_only_disk_is_a_sentence(small_disk, read_only, contents):
    disk = small_disk("1m")
    (disk / "model.onnx").write_bytes(OLD)
    read_only(disk)
    with pytest.raises(OutputError, match="Read-only file system"):
        write_atomically(disk / "model.onnx", NEW)
    with pytest.raises(OutputError, match="Read-only file system"):
        write_atomically(disk / "new" / "model.onnx", NEW)
    with pytest.raises(OutputError, match="Read-only file system"):
        require_writable(disk / "new" / "model.onnx")
    assert contents(disk) == {"model.onnx": OLD}


@pytest.mark.parametrize("below", ["model.onnx", "folder/model.onnx"])
def test_a_file_where_a_folder_should_be_is_a_sentence(tmp_path, below, contents):
    (tmp_path / "file").write_bytes(OLD)
    for refuse in (lambda path: write_atomically(path, NEW), require_writable):
        with pytest.raises(OutputError, match=str(tmp_path / "file")):
            refuse(tmp_path / "file" / below)
    assert contents(tmp_path) == {"file": OLD}


def test_a_folder_where_the_file_should_be_is_a_sentence(tmp_path, contents):
    (tmp_path / "model.onnx").mkdir()
    with pytest.raises(OutputError, match="could not be written: Is a directory"):
        write_atomically(tmp_path / "model.onnx", NEW)
    with pytest.raises(OutputError, match="is a directory, not a file to write"):
        require_writable(tmp_path / "model.onnx")
    assert contents(tmp_path) == {"model.onnx": None}


def test_a_name_that_is_too_long_is_a_sentence(tmp_path, contents):
    with pytest.raises(OutputError, match="File name too long"):
        write_atomically(tmp_path / ("n" * 255), NEW)
    assert not contents(tmp_path)


@pytest.mark.parametrize("stopped", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_before_the_bytes_are_safe_leaves_the_old_file(tmp_path, monkeypatch, contents, stopped):
    (tmp_path / "model.onnx").write_bytes(OLD)

    def stop(_):
        raise stopped

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(stopped):
        write_atomically(tmp_path / "model.onnx", NEW)
    assert contents(tmp_path) == {"model.onnx": OLD}


def test_asking_whether_a_file_can_be_written_leaves_no_trace(tmp_path, contents):
    require_writable(tmp_path / "not" / "yet" / "there.pt")
    require_writable(tmp_path / "there.pt")
    assert not contents(tmp_path)


def test_a_relative_path_is_asked_of_the_current_folder(tmp_path, monkeypatch, contents):
    monkeypatch.chdir(tmp_path)
    require_writable(Path("artifacts/lenet5.pt"))
    assert not contents(tmp_path)


def test_folders_are_made_once(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_what_cannot_be_read_is_a_sentence_with_its_kind(tmp_path):
    for path, reason in (
        (tmp_path / "missing.pt", "There is no checkpoint '{}'."),
        (tmp_path, "'{}' is a directory, not a checkpoint."),
    ):
        with pytest.raises(InputError) as caught:
            read_bytes(path, "checkpoint")
        assert str(caught.value) == reason.format(path)
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(InputError, match="cannot be read: Not a directory"):
        read_bytes(tmp_path / "file" / "below.pt", "checkpoint")
    assert read_bytes(tmp_path / "file", "checkpoint") == OLD


def test_a_name_that_no_file_can_have_is_a_sentence(tmp_path):
    name = tmp_path / ("n" * 300)
    assert not exists(name)
    for refused in (require_writable, make_folder):
        with pytest.raises(OutputError, match="File name too long"):
            refused(name / "lenet5.pt")
    with pytest.raises(InputError, match="File name too long"):
        read_bytes(name, "checkpoint")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a device or a pipe, not an image"):
        read_bytes(tmp_path / "pipe", "image")


def test_a_link_to_nothing_is_nothing_and_is_replaced(tmp_path):
    (tmp_path / "link.onnx").symlink_to(tmp_path / "gone.onnx")
    with pytest.raises(InputError, match="There is no model"):
        read_bytes(tmp_path / "link.onnx", "model")
    assert not exists(tmp_path / "link.onnx")
    write_atomically(tmp_path / "link.onnx", NEW)
    assert (tmp_path / "link.onnx").read_bytes() == NEW
    assert not (tmp_path / "gone.onnx").exists()
