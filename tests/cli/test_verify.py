"""``lenetx verify``."""

import json

import pytest

import lenetx


def test_told_nothing_it_judges_the_artifacts_of_the_newest_checkpoint(cli, workspace, contents):
    before = _but_certificates(contents(workspace))
    result = cli("verify")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[:2] == ["reading artifacts/lenet5.pt", "proving lenet5.onnx"]
    lines = result.stdout.splitlines()
    for name in ("lenet5.onnx", "lenet5.torchscript"):
        assert f"{name} computes what eager PyTorch computes (360 test images of digits)." in lines
    assert _but_certificates(contents(workspace)) == before


def _but_certificates(files):
    return {name: data for name, data in files.items() if not name.endswith(".verified.json")}


def test_json_is_one_document_on_stdout(cli, workspace):
    result = cli("verify", "--json")
    document = json.loads(result.stdout)
    assert document["passed"] is True
    assert [report["artifact"]["format"] for report in document["reports"]] == ["onnx", "torchscript"]
    checks = {check["name"]: check for check in document["reports"][0]["checks"]}
    assert checks["labels"]["status"] == "passed"
    assert checks["random inputs"]["measured"] <= checks["random inputs"]["limit"]
    assert workspace.exists()


@pytest.mark.slow
def test_the_report_is_the_same_document(cli, workspace, tmp_path):
    result = cli("verify", "--json", "--report", tmp_path / "reports" / "r.json")
    assert result.exit_code == 0
    assert json.loads((tmp_path / "reports" / "r.json").read_text()) == json.loads(result.stdout)
    assert workspace.exists()


def test_reports_of_both_kinds_hold_all_artifacts(cli, workspace, tmp_path):
    assert cli("verify", "--report", tmp_path / "r.html", "--report", tmp_path / "r.json").exit_code == 0
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "<title>All 2 artifacts compute what eager PyTorch computes.</title>" in page
    document = json.loads((tmp_path / "r.json").read_text())
    for report in document["reports"]:
        assert report["artifact"]["sha256"] in page
        assert report["conclusion"] in page
        assert all(check["name"] in page for check in report["checks"])
    assert str(workspace.parent) not in page


@pytest.mark.parametrize("name", ["r.txt", "r.HTML", "html", "r.json.gz"])
def test_a_report_of_another_kind_is_refused_before_the_work(cli, workspace, name, contents):
    before = contents(workspace.parent)
    result = cli("verify", "--report", "r.json", "--report", name)
    assert result.exit_code == 2
    assert f"'{name}' does not end in .json or .html." in result.stderr
    assert "reading" not in result.stderr
    assert contents(workspace.parent) == before


def test_quiet_says_nothing_of_what_passed(cli, workspace):
    result = cli("verify", "-q", workspace / "lenet5.onnx")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.slow
def test_verbose_shows_the_checks_that_passed(cli, workspace):
    plain = cli("verify", workspace / "lenet5.onnx").stdout
    verbose = cli("verify", "-v", workspace / "lenet5.onnx").stdout
    assert "Bit for bit the checkpoint's, batch norms folded." not in plain
    assert "Bit for bit the checkpoint's, batch norms folded." in verbose
    assert "  batch sizes " in verbose
    assert "  batch sizes " not in plain


@pytest.mark.parametrize("quiet", [[], ["-q"]])
@pytest.mark.parametrize("name", ["lenet5.onnx", "lenet5.torchscript"])
def test_weights_of_another_checkpoint_end_with_1_and_name_the_keys(cli, workspace, other_checkpoint, name, quiet):
    lenetx.save(other_checkpoint, workspace / "other.pt")
    result = cli("verify", workspace / name, "--against", workspace / "other.pt", *quiet)
    assert result.exit_code == 1
    assert f"{name} is NOT proven against other.pt: " in result.stdout
    assert "more. Do not use it. Its weights or its operators are not the checkpoint's: name the one" in result.stdout
    assert "numbers in conv1.weight differ" in result.stdout


@pytest.mark.parametrize("name", ["lenet5.onnx", "lenet5.torchscript"])
def test_a_checkpoint_of_another_architecture_ends_with_1_and_names_the_keys(cli, workspace, checkpoint_paths, name):
    result = cli("verify", workspace / name, "--against", checkpoint_paths["lenet5-3x3"])
    assert result.exit_code == 1
    assert "conv1.weight is float32[6, 1, 5, 5] instead of float32[6, 1, 3, 3]" in result.stdout
    assert "conv2.weight is float32[16, 6, 5, 5] instead of float32[16, 6, 3, 3]" in result.stdout
    assert "architecture is 'lenet5' instead of 'lenet5-3x3'" in result.stdout


def test_another_architecture_with_the_same_keys_ends_with_1(cli, workspace, checkpoint_paths):
    result = cli("verify", workspace / "lenet5.onnx", "--against", checkpoint_paths["lenet5-1998"])
    assert result.exit_code == 1
    assert "architecture is 'lenet5' instead of 'lenet5-1998'" in result.stdout


def test_a_failed_proof_is_written_to_the_report(cli, workspace, checkpoint_paths):
    arguments = (workspace / "lenet5.onnx", "--against", checkpoint_paths["lenet5-1998"], "--report", "r.json")
    assert cli("verify", *arguments).exit_code == 1
    document = json.loads((workspace.parent / "r.json").read_text())
    assert document["passed"] is False


@pytest.mark.slow
def test_one_bad_artifact_among_good_ones_ends_with_1(cli, workspace, other_checkpoint):
    lenetx.export(other_checkpoint, ["torchscript"], folder=workspace / "other")
    (workspace / "other" / "lenet5.pt").write_bytes((workspace / "lenet5.pt").read_bytes())
    result = cli("verify", workspace / "lenet5.onnx", workspace / "other" / "lenet5.torchscript", "-q", "--json")
    assert result.exit_code == 1
    assert [report["passed"] for report in json.loads(result.stdout)["reports"]] == [True, False]


def test_one_that_cannot_be_judged_loses_no_report_of_the_others(cli, workspace):
    result = cli("verify", workspace / "lenet5.onnx", workspace / "none.onnx", "--report", "r.json", "--json")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("lenetx: There is no artifact ")
    for text in (result.stdout, (workspace.parent / "r.json").read_text()):
        assert [report["artifact"]["name"] for report in json.loads(text)["reports"]] == ["lenet5.onnx"]


def test_where_none_can_be_judged_nothing_is_written(refused, workspace):
    refused(2, "verify", workspace / "none.onnx", workspace / "nothing.onnx", "--report", "r.json")
    assert not (workspace.parent / "r.json").exists()


def test_without_artifacts_it_says_what_to_do(refused, workspace):
    for name in ("lenet5.onnx", "lenet5.torchscript"):
        (workspace / name).unlink()
    assert refused(2, "verify").endswith("run 'lenetx export' first, or name one.")


def test_without_the_checkpoint_it_says_what_to_do(refused, workspace):
    (workspace / "lenet5.pt").unlink()
    assert "name one with --against" in refused(2, "verify", workspace / "lenet5.onnx")
    assert "run 'lenetx train' first" in refused(2, "verify")


def test_data_that_was_asked_for_must_be_there(refused, workspace):
    message = refused(2, "verify", workspace / "lenet5.onnx", "--data", "mnist", "--data-root", ".", "-q")
    assert "MNIST is not in '.'" in message


def test_a_damaged_file_without_a_checkpoint_is_called_damaged(refused, published, tmp_path):
    whole = (published / "lenet5.onnx").read_bytes()
    (tmp_path / "broken.onnx").write_bytes(whole[:5000])
    (tmp_path / "whole.onnx").write_bytes(whole)
    assert "it is damaged" in refused(4, "verify", tmp_path / "broken.onnx")
    assert "name one with --against" in refused(2, "verify", tmp_path / "whole.onnx")
