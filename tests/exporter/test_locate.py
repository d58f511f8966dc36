"""What a command means when it is told nothing."""

import os
from pathlib import Path

import pytest

from lenetx.errors import InputError
from lenetx.files import ARTIFACTS
from lenetx.publishing.locate import artifacts_of, checkpoint_beside, newest_checkpoint


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ARTIFACTS.mkdir()
    return ARTIFACTS


def write(path, age):
    path.write_bytes(b"")
    os.utime(path, (1_000_000 - age, 1_000_000 - age))


def test_the_checkpoint_that_was_written_last_is_meant(folder):
    for name, age in (("lenet5.pt", 50), ("a.pt", 10), ("z.pt", 90), ("newer.onnx", 0)):
        write(folder / name, age)
    assert newest_checkpoint() == folder / "a.pt"


@pytest.mark.parametrize("there", [True, False])
def test_without_a_checkpoint_it_says_what_to_do(folder, there):
    if not there:
        folder.rmdir()
    with pytest.raises(InputError) as caught:
        newest_checkpoint()
    assert str(caught.value) == "There is no checkpoint in 'artifacts': run 'lenetx train' first, or name one."


def test_the_artifacts_of_a_checkpoint_bear_its_name(folder):
    for name in ("lenet5.torchscript", "lenet5.onnx", "other.onnx", "lenet5.txt"):
        write(folder / name, 0)
    assert artifacts_of(folder / "lenet5.pt") == [folder / "lenet5.onnx", folder / "lenet5.torchscript"]


def test_files_in_reduced_precision_and_with_raw_input_belong_to_the_same_checkpoint(folder):
    names = ("lenet5.onnx", "lenet5.fp16.onnx", "lenet5.int8.onnx", "lenet5.raw.onnx")
    for name in (*names, "lenet5.pt", "lenet5.other.onnx"):
        write(folder / name, 0)
    assert artifacts_of(folder / "lenet5.pt") == [folder / name for name in names]
    for name in names:
        assert checkpoint_beside(folder / name) == folder / "lenet5.pt"


def test_a_name_with_dots_keeps_them(folder):
    write(folder / "lenet5.v2.onnx", 0)
    write(folder / "lenet5.v2.pt", 0)
    assert artifacts_of(folder / "lenet5.v2.pt") == [folder / "lenet5.v2.onnx"]
    assert checkpoint_beside(folder / "lenet5.v2.onnx") == folder / "lenet5.v2.pt"
    (folder / "lenet5.v2.pth").touch()
    assert checkpoint_beside(folder / "lenet5.v2.onnx") == folder / "lenet5.v2.pt"
    (folder / "lenet5.v2.pt").unlink()
    assert checkpoint_beside(folder / "lenet5.v2.onnx") == folder / "lenet5.v2.pth"


def test_without_artifacts_it_says_what_to_do(folder):
    write(folder / "other.onnx", 0)
    with pytest.raises(InputError) as caught:
        artifacts_of(folder / "lenet5.pt")
    path = folder / "lenet5.pt"
    assert str(caught.value) == f"There is no artifact of '{path}': run 'lenetx export' first, or name one."


def test_without_the_checkpoint_of_an_artifact_it_says_what_to_do(folder):
    with pytest.raises(InputError, match=r"There is no artifact '.*lenet5\.onnx'"):
        checkpoint_beside(folder / "lenet5.onnx")
    (folder / "lenet5.onnx").write_bytes(b"")
    with pytest.raises(InputError, match="name one with --against"):
        checkpoint_beside(folder / "lenet5.onnx")


@pytest.mark.parametrize("path", [".", "/", ".."])
def test_a_folder_is_no_artifact(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        checkpoint_beside(Path(path))
    with pytest.raises(InputError):
        artifacts_of(Path(path))
