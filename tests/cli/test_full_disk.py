"""Disks that are full, read-only or not there: one sentence, exit code 2 (or 3), and what stood there stands."""

import pytest

QUICK = ("--epochs", 1, "--batch-size", 400, "-q")


def write_commands(workspace, folder):
    """Return every command that writes, set to write to ``folder``."""
    return {
        "train": ["train", *QUICK, "-o", folder / "lenet5.pt"],
        "export": ["export", workspace / "lenet5.pt", "-q", "-f", "torchscript", "-o", folder],
        "verify": ["verify", workspace / "lenet5.onnx", "-q", "--report", folder / "report.json"],
    }


command = pytest.mark.parametrize("name", ["train", "export", "verify"])


@command
def test_a_full_disk(refused, small_disk, workspace, contents, name):
    disk = small_disk("64k")
    for old in ("lenet5.pt", "lenet5.torchscript", "report.json"):
        (disk / old).write_bytes(b"what stood there")
    (disk / "filler").write_bytes(bytes(64 * 1024 - 3 * 4096))
    before = contents(disk)
    assert "No space left on device" in refused(2, *write_commands(workspace, disk)[name])
    assert contents(disk) == before


@command
def test_a_read_only_disk(refused, small_disk, read_only, workspace, contents, name):
    disk = small_disk("1m")
    (disk / "lenet5.pt").write_bytes(b"what stood there")
    read_only(disk)
    for folder in (disk, disk / "new" / "folder"):
        assert "Read-only file system" in refused(2, *write_commands(workspace, folder)[name])
    assert contents(disk) == {"lenet5.pt": b"what stood there"}


@command
def test_a_file_where_a_folder_should_be(refused, workspace, tmp_path, contents, name):
    (tmp_path / "file").write_bytes(b"what stood there")
    before = contents(tmp_path)
    assert str(tmp_path / "file") in refused(2, *write_commands(workspace, tmp_path / "file")[name])
    assert contents(tmp_path) == before


def test_training_finds_out_before_the_work_and_not_after_it(refused, tmp_path):
    """With a hundred thousand epochs this would never end otherwise."""
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / "file" / "lenet5.pt"
    assert str(path.parent) in refused(2, "train", "--epochs", 100_000, "-q", "-o", path)


def test_a_folder_in_the_place_of_a_file(refused, workspace, tmp_path):
    (tmp_path / "lenet5.pt").mkdir()
    (tmp_path / "report.json").mkdir()
    (tmp_path / "out" / "lenet5.torchscript").mkdir(parents=True)
    commands = write_commands(workspace, tmp_path)
    assert "is a directory" in refused(2, *commands["train"])
    assert "is a directory" in refused(2, *commands["verify"])
    assert "directory" in refused(2, *write_commands(workspace, tmp_path / "out")["export"])


@pytest.mark.parametrize("options", [("-f", "ort"), ("-f", "onnx", "--precision", "int8", "--data", "digits")])
def test_a_full_folder_for_temporary_files(refused, small_disk, workspace, tmp_path, monkeypatch, options):
    monkeypatch.setattr("tempfile.tempdir", str(small_disk("12k")))
    told = refused(3, "export", workspace / "lenet5.pt", "-q", *options, "-o", tmp_path / "out")
    assert "cannot be used: " in told
    assert "set TMPDIR to another" in told
