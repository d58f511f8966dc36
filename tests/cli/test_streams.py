"""Commands whose standard output or standard error is closed or full."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full").exists()


@pytest.fixture
def redirected(tmp_path):
    """The function that runs ``lenetx ARGUMENTS`` with what a shell redirects."""

    def run(redirection, *arguments, timeout=250):
        if "/dev/full" in redirection and not FULL:
            pytest.skip("this system has no device that is always full")
        command = ["sh", "-c", f'exec "$0" -m lenetx_cli "$@" {redirection}', sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=timeout, check=False)

    return run


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_result_comes_where_standard_error_takes_nothing(redirected, published, picture, redirection):
    done = redirected(redirection, "predict", published / "lenet5.onnx", picture)
    assert done.returncode == 0
    assert str(picture.name) in done.stdout


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_an_output_that_cannot_be_written_is_a_sentence(redirected, published, picture, redirection):
    done = redirected(redirection, "predict", "--json", published / "lenet5.onnx", picture)
    assert done.returncode == 2
    assert done.stderr.startswith("lenetx: The output could not be written: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("redirection", ["0<&- >&- 2>&-", "2>/dev/full"])
def test_a_training_without_streams_leaves_its_files_whole(redirected, tmp_path, redirection):
    done = redirected(redirection, "train", "--epochs", 1, "--batch-size", 400, "-o", "a.pt")
    assert done.returncode == 0
    described = redirected("", "inspect", "--json", "a.pt")
    assert json.loads(described.stdout)["kind"] == "checkpoint"
    assert [json.loads(line)["epoch"] for line in (tmp_path / "a.history.jsonl").read_text().splitlines()] == [1]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["a.history.jsonl", "a.pt"]
