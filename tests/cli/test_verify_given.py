"""``lenetx verify`` of logits that something else has computed, and of some images only."""

import json

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
    assert "theirs.npy computes what eager PyTorch computes (12 given inputs)." in result.stderr
    assert not list(theirs.rglob("*theirs*.verified.json"))


@pytest.mark.usefixtures("theirs")
def test_logits_that_are_off(cli):
    result = cli("verify", "--logits", "off.npy", "--inputs", "x.npy", "--json")
    assert result.exit_code == 1
    (report,) = json.loads(result.stdout)["reports"]
    assert not report["passed"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--logits", "theirs.npy"),
        ("--inputs", "x.npy"),
        ("artifacts/lenet5.onnx", "--logits", "theirs.npy", "--inputs", "x.npy"),
        ("--quick", "--images", "16"),
        ("--images", "16", "--images", "17"),
        ("--images", "0"),
    ],
)
@pytest.mark.usefixtures("theirs")
def test_options_that_do_not_go_together(cli, arguments):
    assert cli("verify", *arguments).exit_code == 2


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY"])
def test_a_file_that_is_no_array(theirs, cli, content):
    (theirs / "x.npy").write_bytes(content)
    result = cli("verify", "--logits", "theirs.npy", "--inputs", "x.npy")
    assert result.exit_code == 2
    assert "'x.npy' is no array of numbers in numpy's .npy format" in result.stderr


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
