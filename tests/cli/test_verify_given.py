"""``lenetx verify`` of logits that something else has computed, and of some images only."""

import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest


@pytest.fixture
def theirs(workspace):
    """Inputs and the logits that another program gave for them, in files."""
    folder = workspace.parent
    inputs = np.random.default_rng(0).standard_normal((12, 1, 32, 32)).astype(np.float32)
    logits = onnxruntime.InferenceSession(str(workspace / "lenet5.onnx")).run(None, {"image": inputs})[0]
    np.save(folder / "x.npy", inputs)
    np.save(folder / "theirs.npy", logits)
    np.save(folder / "off.npy", logits + np.float32(1e-3))
    return folder


def test_logits_that_are_right(theirs, cli):
    result = cli("verify", "--logits", "theirs.npy", "--inputs", "x.npy")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[:2] == ["reading artifacts/lenet5.pt", "proving theirs.npy"]
    assert "theirs.npy computes what eager PyTorch computes (12 given inputs)." in result.stdout
    assert not list(theirs.rglob("*theirs*.verified.json"))


@pytest.mark.usefixtures("theirs")
def test_logits_that_are_off(cli):
    result = cli("verify", "--logits", "off.npy", "--inputs", "x.npy", "--json")
    assert result.exit_code == 1
    (report,) = json.loads(result.stdout)["reports"]
    assert not report["passed"]
    assert report["reference"]["checkpoint"] == "lenet5.pt"
    assert result.stderr.splitlines()[-1].startswith("lenetx: off.npy is NOT proven against lenet5.pt: given inputs. ")


@pytest.mark.usefixtures("theirs")
def test_another_number_of_rows_is_bad_input(cli):
    np.save("short.npy", np.load("theirs.npy")[:-1])
    result = cli("verify", "--logits", "short.npy", "--inputs", "x.npy")
    assert result.exit_code == 2
    assert "There are 11 rows of logits and 12 inputs" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--write-inputs", "y.npy", "artifacts/lenet5.onnx"),
        ("--write-inputs", "y.npy", "--logits", "theirs.npy", "--inputs", "x.npy"),
        ("--write-inputs", "y.npy", "--inputs", "x.npy"),
        ("--write-inputs", "y.npy", "--json"),
        ("--write-inputs", "y.npy", "--report", "r.json"),
        ("--write-inputs", "y.npy", "--device", "cuda"),
        ("--write-inputs", "y.npz"),
        ("--logits", "theirs.npy"),
        ("--inputs", "x.npy"),
        ("artifacts/lenet5.onnx", "--logits", "theirs.npy", "--inputs", "x.npy"),
        ("--quick", "--images", "16"),
        ("--images", "16", "--images", "17"),
        ("--images", "0"),
    ],
)
def test_options_that_do_not_go_together(theirs, cli, arguments):
    before = sorted(theirs.rglob("*"))
    result = cli("verify", *arguments)
    assert result.exit_code == 2
    assert "reading" not in result.stderr
    assert sorted(theirs.rglob("*")) == before


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY"])
def test_a_file_that_is_no_array(theirs, cli, content):
    (theirs / "x.npy").write_bytes(content)
    result = cli("verify", "--logits", "theirs.npy", "--inputs", "x.npy")
    assert result.exit_code == 2
    assert "'x.npy' is not an array of numbers in numpy's .npy format" in result.stderr


def test_an_array_of_objects_is_never_unpickled(theirs, cli, planted):
    np.save(theirs / "x.npy", np.array([planted(theirs / "marker")], object), allow_pickle=True)
    assert cli("verify", "--logits", "theirs.npy", "--inputs", "x.npy").exit_code == 2
    assert not (theirs / "marker").exists()


@pytest.mark.usefixtures("theirs")
def test_a_file_that_is_not_there(cli):
    result = cli("verify", "--logits", "nowhere.npy", "--inputs", "x.npy")
    assert result.exit_code == 2
    assert "nowhere.npy" in result.stderr


@pytest.mark.parametrize(("arguments", "words"), [(("--images", "16"), "16 test images"), (("--quick",), "360 test")])
def test_the_report_says_how_many_images_were_seen(workspace, cli, arguments, words):
    result = cli("verify", str(workspace / "lenet5.onnx"), *arguments, "--json")
    assert result.exit_code == 0
    (report,) = json.loads(result.stdout)["reports"]
    subjects = {check["name"]: check["subject"] for check in report["checks"]}
    assert words in subjects["real inputs"]


@pytest.mark.parametrize("value", ["-5", "0", "abc", "1e4"])
def test_images_that_are_neither_a_number_nor_a_folder(workspace, cli, value):
    result = cli("verify", workspace / "lenet5.onnx", "--images", value)
    assert result.exit_code == 2
    words = "is neither a number of test images, 1 or more, nor the folder that the paths of a CSV file start from."
    assert f"'{value}' {words}" in result.stderr
    assert "reading" not in result.stderr


def test_more_images_than_there_are(workspace, cli):
    result = cli("verify", workspace / "lenet5.onnx", "--images", "512")
    assert result.exit_code == 0
    assert "Note: There are 360 test images of digits, not 512: all of them are used." in result.stderr.splitlines()


def test_the_inputs_for_a_program_of_ones_own(workspace, cli):
    """The three steps: write the inputs, compute the logits somewhere else, judge them."""
    result = cli("verify", "--write-inputs", "x.npy", "--against", "artifacts/lenet5.pt", "--images", "20")
    assert result.exit_code == 0
    inputs = np.load("x.npy")
    assert (inputs.dtype, inputs.shape) == (np.float32, (361, 1, 32, 32))
    wrote, what, command = result.stdout.splitlines()[-3:]
    assert wrote == "Wrote x.npy: float32[361, 1, 32, 32], batch, channels, height, width."
    assert "float32[361, 10] logits" in what
    session = onnxruntime.InferenceSession(str(workspace / "lenet5.onnx"))
    np.save("theirs.npy", session.run(None, {"image": inputs})[0])
    lenetx, *arguments = command.split()
    assert lenetx == "lenetx"
    judged = cli(*arguments)
    assert judged.exit_code == 0
    assert "theirs.npy computes what eager PyTorch computes (361 given inputs)." in judged.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--device", "gpu"), "There is no device 'gpu'"),
        (("--images", "0"), "'0' is neither a number"),
        (("--logits", "none.npy", "--inputs", "none.npy"), "There is no file 'none.npy'."),
        (("none.onnx", "--against", "artifacts/lenet5.pt"), "There is no artifact 'none.onnx'."),
    ],
)
def test_cheap_mistakes_are_found_before_torch_is_imported(workspace, arguments, words):
    program = "import sys; from lenetx_cli.app import main\ntry: main()\nfinally: assert 'torch' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", program, "verify", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=workspace.parent,
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert "AssertionError" not in done.stderr
