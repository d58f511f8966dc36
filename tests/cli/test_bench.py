"""``lenetx bench``: what it prints and writes, and what it refuses."""

import csv
import json
import os
import sys

import pytest

from lenetx.benchmark import run as benchmark
from lenetx.benchmark.rounds import Pace

SHORT = ("--quick", "--threads", 1, "--batch", 1)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(benchmark, "QUICK", Pace(2, 0.001, 2, 1))


def test_tables_recommendation_and_files(cli, workspace, tmp_path):
    files = {name: tmp_path / "out" / f"bench.{name}" for name in ("csv", "html", "png")}
    done = cli(
        "bench",
        "--all",
        *SHORT,
        "--for",
        "size",
        "--csv",
        files["csv"],
        "--html",
        files["html"],
        "--plot",
        files["png"],
    )
    assert done.exit_code == 0
    assert "Files and engines (360 test images of digits)" in done.stdout
    assert "1 image per call, 2 rounds" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("For size: lenet5.onnx, ")
    assert "round 2 of 2" in done.stderr
    assert len(list(csv.DictReader(files["csv"].read_text().splitlines()))) == 3
    assert "lenet5.torchscript" in files["html"].read_text()
    assert files["png"].read_bytes().startswith(b"\x89PNG")
    assert str(workspace) not in files["html"].read_text()


@pytest.mark.slow
def test_json_is_one_document(cli, workspace):
    done = cli("bench", workspace / "lenet5.onnx", *SHORT, "--json")
    document = json.loads(done.stdout)
    assert [row["artifact"] for row in document["rows"]] == ["lenet5.pt", "lenet5.onnx"]
    assert set(document["recommended"]) == {"latency", "throughput", "size"}
    assert cli("bench", workspace / "lenet5.onnx", *SHORT, "--quiet").output == ""


def test_a_damaged_artifact_is_a_row_and_the_exit_code(cli, workspace):
    (workspace / "lenet5.torchscript").write_bytes(b"no archive")
    done = cli("bench", *SHORT)
    assert done.exit_code == 4
    assert "Failed: lenet5.torchscript (not opened): 'artifacts/lenet5.torchscript' cannot be used." in done.stdout
    assert done.stderr.splitlines()[-1].startswith("lenetx: 'artifacts/lenet5.torchscript' cannot be used.")


@pytest.mark.parametrize(
    ("code", "given", "words"),
    [
        (2, ["--batch", 0], "The batch size is 0"),
        (2, ["none.onnx"], "There is no artifact 'none.onnx'."),
        (2, ["--for", "fun"], "There is no purpose 'fun'."),
        (2, ["--against", "none.pt"], "There is no artifact of 'none.pt'"),
        (4, ["bad.onnx"], "'bad.onnx' cannot be used."),
    ],
)
@pytest.mark.usefixtures("workspace")
def test_bad_input_is_one_sentence_and_writes_nothing(refused, tmp_path, code, given, words):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    assert refused(code, "bench", *given, "--csv", tmp_path / "out.csv").startswith(words)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.usefixtures("workspace")
def test_a_file_that_cannot_be_written_is_found_before_the_work(cli, refused, tmp_path):
    (tmp_path / "taken").write_text("")
    assert "taken" in refused(2, "bench", "--plot", tmp_path / "taken" / "bench.png")
    assert "does not end in .csv" in cli("bench", "--csv", "out.txt").stderr
    assert "name none" in cli("bench", "--all", "artifacts/lenet5.onnx").stderr


@pytest.mark.skipif(sys.platform == "win32", reason="permissions")
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.usefixtures("workspace")
def test_a_folder_without_permission_is_found_before_the_work(refused, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "closed" in refused(2, "bench", "--csv", tmp_path / "closed" / "out.csv")
