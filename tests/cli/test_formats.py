"""Each format by the commands that a user runs: export, verify, inspect, predict, convert."""

import json

import PIL.Image
import pytest

from lenetx import data, formats


@pytest.mark.slow
@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("name", ["pt2", "openvino", "executorch"])
def test_an_archive_from_export_to_prediction(cli, tmp_path, name):
    path = f"artifacts/lenet5{formats.suffix(name)}"
    assert f"Published {path}." in cli("export", "-f", name).stdout
    assert cli("verify", path).exit_code == 0
    assert json.loads(cli("inspect", path, "--json").stdout)["kind"] == name
    PIL.Image.fromarray(data.load("digits").test.images[0]).save(tmp_path / "digit.png")
    assert cli("predict", path, tmp_path / "digit.png").exit_code == 0
    assert cli("convert", path, "weights.safetensors").exit_code == 0


@pytest.mark.slow
@pytest.mark.usefixtures("workspace")
def test_int8_for_executorch_from_export_to_prediction(cli, tmp_path):
    pytest.importorskip("executorch")
    path = "artifacts/lenet5.int8.pte"
    made = cli("export", "-f", "executorch", "--precision", "int8", "--max-drop", 5, "--largest-batch", 8)
    assert f"Published {path}." in made.stdout
    assert cli("verify", path, "--max-drop", 5).exit_code == 0
    about = json.loads(cli("inspect", path, "--json").stdout)["spec"]
    assert (about["precision"], about["largest_batch"]) == ("int8", 8)
    PIL.Image.fromarray(data.load("digits").test.images[0]).save(tmp_path / "digit.png")
    assert cli("predict", path, tmp_path / "digit.png").exit_code == 0
    result = cli("convert", path, "weights.safetensors")
    assert result.exit_code == 4
    assert "Its weights are int8: give the checkpoint that it was made from." in " ".join(result.stderr.split())
    assert not (tmp_path / "weights.safetensors").exists()


@pytest.mark.slow
def test_an_ort_file_from_export_to_prediction(cli, workspace, seven):
    """By its own commands, and in the runtime's; what else is published stands."""
    PIL.Image.fromarray(seven).save("seven.png")
    before = {path.name for path in workspace.iterdir()}
    assert cli("export", "-f", "ort", "--quiet").exit_code == 0
    new = {"lenet5.ort", "lenet5.ort.verified.json", "lenet5.required_operators.config"}
    assert {path.name for path in workspace.iterdir()} == before | new
    assert cli("verify", workspace / "lenet5.ort", "--quick").exit_code == 0
    assert "7" in cli("predict", workspace / "lenet5.ort", "seven.png").stdout
    assert json.loads(cli("inspect", workspace / "lenet5.ort", "--json").stdout)["kind"] == "ort"


@pytest.mark.slow
@pytest.mark.usefixtures("machine_code")
def test_a_native_library_from_export_to_prediction(cli, workspace, seven, monkeypatch):
    """No command loads it unasked; without a compiler it is still described, and labels pictures."""
    PIL.Image.fromarray(seven).save("seven.png")
    path = workspace / "lenet5.so"
    assert cli("export", "-f", "native", "--march", "x86-64-v9").exit_code == 2
    assert cli("export", "-f", "native", "--quiet").exit_code == 0
    assert cli("verify", path, "--quick").exit_code == 0
    refused = cli("predict", path, "seven.png")
    assert refused.exit_code == 2
    assert "pass allow_native=True in Python, or --allow-native to a command" in " ".join(refused.stderr.split())
    monkeypatch.setenv("PATH", "")
    assert json.loads(cli("inspect", path, "--json").stdout)["kind"] == "native"
    assert "7" in cli("predict", path, "seven.png", "--allow-native").stdout
    stopped = cli("verify", path)
    assert stopped.exit_code == 3
    assert "A native library is opened by compiling it again" in " ".join(stopped.stderr.split())
    missing = cli("export", "-f", "native", "-f", "onnx")
    assert missing.exit_code == 3
    assert "There is no C compiler here: install gcc or clang." in " ".join(missing.stderr.split())
