"""What ``lenetx verify`` leaves beside an artifact."""

import dataclasses

import pytest

import lenetx
from lenetx_runtime import ArtifactError, Classifier

NAMES = ("lenet5.onnx", "lenet5.torchscript")
CERTIFICATES = tuple(f"{name}.verified.json" for name in NAMES)


def verified(path):
    try:
        Classifier(path, require_verified=True).close()
    except ArtifactError:
        return False
    return True


def test_what_passes_gets_its_certificate_back(cli, workspace):
    for name in CERTIFICATES:
        (workspace / name).unlink()
    assert cli("verify", "-q").exit_code == 0
    assert all((workspace / name).is_file() for name in CERTIFICATES)
    assert verified(workspace / "lenet5.onnx")


def test_only_what_was_asked_about_is_certified(cli, workspace):
    for name in CERTIFICATES:
        (workspace / name).write_text("what stood there")
    assert cli("verify", "-q", workspace / "lenet5.torchscript").exit_code == 0
    assert (workspace / CERTIFICATES[0]).read_text() == "what stood there"
    assert (workspace / CERTIFICATES[1]).read_text() != "what stood there"


def test_what_fails_loses_its_certificate_and_the_others_keep_theirs(cli, workspace, checkpoint):
    """The same weights, which their owner has given other labels since."""
    spec = dataclasses.replace(checkpoint.spec, labels=tuple("abcdefghij"))
    lenetx.save(
        dataclasses.replace(checkpoint, spec=spec, config={**checkpoint.config, "data": None}), workspace / "mine.pt"
    )
    assert cli("verify", "-q", workspace / "lenet5.onnx", "--against", workspace / "mine.pt").exit_code == 1
    assert not (workspace / CERTIFICATES[0]).exists()
    assert (workspace / CERTIFICATES[1]).exists()


def test_another_checkpoint_by_mistake_takes_no_certificate_away(cli, workspace, other_checkpoint):
    lenetx.save(other_checkpoint, workspace / "other.pt")
    assert cli("verify", "-q", workspace / "lenet5.onnx", "--against", workspace / "other.pt").exit_code == 1
    assert verified(workspace / "lenet5.onnx")


def test_what_cannot_be_opened_loses_it_too(cli, workspace):
    path = workspace / "lenet5.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    assert cli("verify", "-q").exit_code == 4
    assert not (workspace / CERTIFICATES[0]).exists()
    assert (workspace / CERTIFICATES[1]).exists()


def test_a_question_that_could_not_be_asked_changes_nothing(cli, workspace, contents):
    before = contents(workspace)
    assert cli("verify", "-q", workspace / "lenet5.onnx", "--against", "absent.pt").exit_code == 2
    assert contents(workspace) == before


@pytest.fixture
def fixed_disk(small_disk, read_only, workspace):
    """A read-only disk with a checkpoint, its ONNX file, and a certificate that is another file's."""
    disk = small_disk("2m")
    for name in ("lenet5.pt", "lenet5.onnx"):
        (disk / name).write_bytes((workspace / name).read_bytes())
    (disk / CERTIFICATES[0]).write_bytes((workspace / CERTIFICATES[1]).read_bytes())
    return read_only(disk)


def test_where_nothing_can_be_written_a_note_says_so_and_the_verdict_stands(cli, fixed_disk):
    done = cli("verify", fixed_disk / "lenet5.onnx")
    assert done.exit_code == 0
    notes = [line for line in done.stderr.splitlines() if line.startswith("Note: ")]
    assert notes == [f"Note: '{fixed_disk / CERTIFICATES[0]}' could not be written: Read-only file system."]
    assert "lenet5.onnx computes what eager PyTorch computes" in done.stdout
    assert cli("verify", "-q", fixed_disk / "lenet5.onnx").stderr == ""


def test_where_nothing_can_be_removed_a_note_says_so_and_the_verdict_stands(cli, fixed_disk, checkpoint_paths):
    done = cli("verify", fixed_disk / "lenet5.onnx", "--against", checkpoint_paths["lenet5-1998"])
    assert done.exit_code == 1
    assert "is no longer valid and could not be removed: Read-only file system." in done.stderr


def test_a_weaker_proof_leaves_the_certificate_and_says_so(cli, workspace):
    before = (workspace / CERTIFICATES[0]).read_bytes()
    done = cli("verify", workspace / "lenet5.onnx", "--images", "1")
    assert done.exit_code == 0
    assert "lenet5.onnx computes what eager PyTorch computes (1 test image of digits)." in done.stdout
    (note,) = [line for line in done.stderr.splitlines() if line.startswith("Note: ")]
    assert "is from a proof with more images (360 test images of digits) and is kept." in note
    assert (workspace / CERTIFICATES[0]).read_bytes() == before
    assert cli("verify", workspace / "lenet5.onnx", "--images", "1", "-q").stderr == ""
