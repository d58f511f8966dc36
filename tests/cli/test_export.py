"""``lenetx export``."""

import json
import sys

import onnx
import pytest

from lenetx import formats
from lenetx.errors import EngineMissing
from lenetx.formats.network import Network
from lenetx_runtime import Classifier


@pytest.fixture
def folder(workspace, contents):
    """An ``artifacts`` folder with nothing but a checkpoint, in the current folder."""
    for name in contents(workspace):
        if name != "lenet5.pt":
            (workspace / name).unlink()
    return workspace


@pytest.fixture
def wrong_onnx(monkeypatch, other_checkpoint):
    """Have the ONNX export write the weights of another checkpoint."""
    data = formats.get("onnx").export(Network(other_checkpoint), batch="dynamic")
    monkeypatch.setattr("lenetx.formats.onnx.export", lambda *_, **__: data)


def test_told_nothing_it_exports_the_newest_checkpoint_to_both_formats(cli, folder, published, contents):
    result = cli("export")
    assert result.exit_code == 0
    assert contents(folder) == contents(published)
    assert result.stdout.splitlines()[-1] == "Published artifacts/lenet5.onnx, artifacts/lenet5.torchscript."
    assert result.stdout.count("computes what eager PyTorch computes (360 test images of digits).") == 2
    assert "reading artifacts/lenet5.pt" in result.stderr
    assert "FAILED" not in result.stdout


def test_the_help_names_every_format(cli):
    stated = " ".join(cli("export", "--help").stdout.replace("│", " ").split())
    assert all(name in stated.partition("--format")[2].partition("--batch")[0] for name in formats.FORMATS)


@pytest.mark.parametrize(("module", "engine"), [("openvino", "OpenVINO"), ("executorch", "ExecuTorch")])
def test_an_engine_that_is_missing_stops_its_format_only(cli, folder, monkeypatch, module, engine):
    monkeypatch.setitem(sys.modules, module, None)
    result = cli("export", "-f", module, "-f", "onnx")
    assert result.exit_code == 3
    assert f"{engine} is not installed: run 'pip install {module}'." in " ".join(result.stderr.split())
    assert (folder / "lenet5.onnx").exists()
    assert not (folder / f"lenet5{formats.suffix(module)}").exists()


def test_json_is_one_document_on_stdout(cli, folder):
    result = cli("export", "--json", "-f", "torchscript")
    document = json.loads(result.stdout)
    assert document["folder"] == "artifacts"
    (report,) = document["reports"]
    assert report["passed"] is True
    assert report["artifact"]["name"] == "lenet5.torchscript"
    assert report["artifact"]["size_bytes"] == (folder / "lenet5.torchscript").stat().st_size
    assert "Published" not in result.stdout + result.stderr


@pytest.mark.slow
def test_quiet_says_nothing(cli, folder):
    result = cli("export", "-q", "-f", "torchscript")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert (folder / "lenet5.torchscript").exists()


def test_format_folder_opset_and_batch_are_as_asked(cli, folder, tmp_path):
    result = cli("export", folder / "lenet5.pt", "-f", "onnx", "-o", tmp_path / "out", "--opset", 15, "-b", 4, "-q")
    assert result.exit_code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "lenet5.onnx",
        "lenet5.onnx.verified.json",
        "manifest.json",
    }
    model = onnx.load(tmp_path / "out" / "lenet5.onnx")
    assert model.opset_import[0].version == 15
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 4
    assert not (folder / "lenet5.onnx").exists()


def test_raw_input_and_probabilities_go_through_every_command(cli, folder):
    assert cli("export", "-q", "--raw-input", "--probabilities").exit_code == 0
    assert {path.name for path in folder.iterdir()} == {
        "lenet5.pt",
        "lenet5.raw.onnx",
        "lenet5.raw.onnx.verified.json",
        "manifest.json",
    }
    model = onnx.load(folder / "lenet5.raw.onnx")
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [value.name for value in model.graph.output] == ["logits", "probabilities"]
    verified = cli("verify", "--quick")
    assert verified.exit_code == 0
    assert "lenet5.raw.onnx computes what eager PyTorch computes" in verified.stdout
    assert "; from uint8[N, 28, 28])" in verified.stdout
    assert "raw_input" in cli("inspect", folder / "lenet5.raw.onnx").stdout
    with Classifier(folder / "lenet5.raw.onnx", require_verified=True) as classifier:
        assert classifier.self_test().passed


@pytest.mark.slow
def test_a_format_named_twice_is_exported_once(cli, folder):
    result = cli("export", "-f", "torchscript", "-f", "torchscript", "--json", "-q")
    assert len(json.loads(result.stdout)["reports"]) == 1
    assert folder.exists()


@pytest.mark.usefixtures("wrong_onnx")
@pytest.mark.parametrize("named", [True, False], ids=["named", "by default"])
def test_a_wrong_export_is_not_published_and_said_and_the_other_one_is(cli, workspace, contents, named):
    """It is an error where it was asked for; where another export cannot help, none is advised."""
    before = contents(workspace)
    (workspace / "lenet5.torchscript").unlink()
    result = cli("export", *(["-f", "onnx", "-f", "torchscript"] if named else []))
    assert result.exit_code == (1 if named else 0)
    assert "numbers in conv1.weight differ" in result.stdout
    assert "export it again" not in result.stdout
    assert "Another export would give the same file" in result.stdout
    last = result.stderr.splitlines()[-1]
    if named:
        assert last.startswith("lenetx: lenet5.onnx is NOT proven: ")
        assert last.endswith(" lenet5.torchscript is proven and published.")
    else:
        assert last.startswith("Note: artifacts/lenet5.onnx was not published: lenet5.onnx is NOT proven")
    assert {name: data for name, data in contents(workspace).items() if name != "manifest.json"} == {
        name: data for name, data in before.items() if name != "manifest.json"
    }


@pytest.mark.usefixtures("wrong_onnx", "workspace")
@pytest.mark.parametrize("named", [True, False], ids=["named", "by default"])
def test_json_tells_of_a_wrong_export(cli, named):
    result = cli("export", "--json", *(["-f", "onnx", "-f", "torchscript"] if named else []))
    document = json.loads(result.stdout)
    assert {each["artifact"]["format"]: each["passed"] for each in document["reports"]} == (
        {"torchscript": True, "onnx": False} if named else {"torchscript": True}
    )
    assert [each["name"] for each in document["refused"]] == ([] if named else ["lenet5.onnx"])


@pytest.mark.usefixtures("wrong_onnx")
def test_a_wrong_export_alone_ends_with_1_and_replaces_nothing(cli, workspace, contents):
    before = contents(workspace)
    result = cli("export", "-f", "onnx")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith(" Nothing was published.")
    assert contents(workspace) == before


def test_the_architecture_is_insisted_on(refused, folder, contents):
    before = contents(folder)
    message = refused(4, "export", "-q", "--arch", "lenet5-3x3")
    assert "conv1.weight has shape [6, 1, 5, 5] instead of [6, 1, 3, 3]" in message
    assert "lenet5-1998" in refused(4, "export", "-q", "--arch", "lenet5-1998")
    assert contents(folder) == before


def test_the_right_architecture_is_no_obstacle(cli, folder):
    assert cli("export", "-q", "--arch", "lenet5", "-f", "torchscript").exit_code == 0
    assert (folder / "lenet5.torchscript").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--opset", 13], "The opset is 13; lenetx writes 14 to 23"),
        (["--opset", 24], "The opset is 24; lenetx writes 14 to 23"),
        (["--batch", 0], "The batch size is 0"),
        (["--batch", 10**12], "The batch size is 1000000000000"),
        (
            ["-f", "torchscript", "--opset", 18],
            "The option opset applies only to onnx; the requested formats are: torchscript.",
        ),
        (
            ["-f", "torchscript", "--raw-input"],
            "The option raw_input applies only to onnx; the requested formats are: torchscript.",
        ),
        (["--raw-input", "--precision", "fp16"], "available in float32 only; the precision is float16"),
        (["-f", "native", "--precision", "int8"], "float32 only; int8 is available as: onnx, executorch, c."),
        (["--name", "a\nb"], "is not a file name without its ending."),
        (["--probabilities", "--precision", "fp16"], "available in float32 only; the precision is float16"),
        (["--data", "mnist", "--data-root", "."], "MNIST is not in '.'"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_used_is_a_sentence_and_nothing_is_written(refused, folder, contents, arguments, words):
    before = contents(folder)
    assert words in refused(2, "export", "-q", *arguments)
    assert contents(folder) == before


def test_without_a_checkpoint_it_says_what_to_do(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused(2, "export").endswith("run 'lenetx train' first, or name one.")
    assert not list(tmp_path.iterdir())


def test_a_name_that_looks_like_markup_is_shown_as_it_is(cli, folder):
    """Brackets and colons are markup and emoji to the library that draws the tables."""
    (folder / "lenet5.pt").rename(folder / "a[bold]b:cat:.pt")
    result = cli("export", "-f", "torchscript")
    assert result.exit_code == 0
    shown = [line for line in (result.stderr + result.stdout).splitlines() if "[bold]" in line]
    assert sum("a[bold]b:cat:.torchscript" in line for line in shown) == 5
    assert "🐱" not in result.stderr + result.stdout


@pytest.mark.slow
def test_all_makes_every_format_in_every_precision(cli, folder):
    pytest.importorskip("openvino")
    pytest.importorskip("executorch")
    result = cli("export", "--all", "--max-drop", 5, "--json")
    made = {report["artifact"]["name"] for report in json.loads(result.stdout)["reports"]}
    assert result.exit_code == 0
    reduced = (".fp16.onnx", ".fp16.openvino", ".int8.onnx", ".int8.pte", ".int8.c")
    assert {f"lenet5{end}" for end in (*map(formats.suffix, formats.FORMATS), *reduced)} <= made
    assert all((folder / name).exists() for name in made)


def test_all_names_what_cannot_be_made_and_publishes_the_rest(cli, folder, monkeypatch):
    def missing(*_, **__):
        raise EngineMissing("The engine is not installed: run 'pip install engine'.")

    others = [name for name in formats.FORMATS if name not in ("onnx", "executorch")]
    for name in others:
        monkeypatch.setattr(f"lenetx.formats.{name}.export", missing)
    monkeypatch.setitem(sys.modules, "executorch", None)
    result = cli("export", "--all")
    assert result.exit_code == 0
    assert "lenet5.pte was not published: ExecuTorch is not installed" in " ".join(result.stderr.split())
    assert "lenet5.onnx computes what eager PyTorch computes" in result.stdout
    for file in (f"lenet5{formats.suffix(name)}" for name in others):
        assert f"{file} was not published: The engine is not installed: run 'pip install engine'." in result.stderr
        assert not (folder / file).exists()


@pytest.mark.parametrize("other", [("-f", "onnx"), ("--precision", "int8"), ("--opset", 17)])
def test_all_goes_with_no_choice_of_format(cli, folder, other):
    result = cli("export", "--all", *other)
    assert result.exit_code == 2
    assert "every format in every precision" in " ".join(result.stderr.split())
    assert not (folder / "lenet5.onnx").exists()
