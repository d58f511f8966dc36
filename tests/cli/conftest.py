"""The command in this process and in its own, and files of every kind to give it."""

import subprocess
import warnings

import numpy as np
import PIL.Image
import pytest
import torch


@pytest.fixture(scope="session")
def cli():
    """The function that runs ``lenetx ARGUMENTS`` in this process; what would be a traceback is raised."""
    from typer.testing import CliRunner

    from lenetx_cli.app import app

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture(scope="session")
def refused(cli):
    """The function that runs a command which must end with that exit code and one sentence; gives the sentence."""

    def run(code, *arguments):
        result = cli(*arguments)
        sentences = [line for line in result.stderr.splitlines() if line.startswith("lenetx: ")]
        assert result.exit_code == code, result.stderr
        assert result.stdout == ""
        assert len(sentences) == 1, result.stderr
        assert result.stderr.splitlines()[-1] == sentences[0]
        assert sentences[0].endswith(".")
        return sentences[0].removeprefix("lenetx: ")

    return run


@pytest.fixture(scope="session")
def seven(checkpoint):
    """A handwritten seven of the test split that the network is sure of, uint8[64, 64], light on dark."""
    from lenetx import data, eager

    test = data.load("digits").test
    images = test.images[test.labels == 7]
    predictions = eager.classifier(checkpoint).predict_batch(images)
    clearest = max(range(len(images)), key=lambda row: dict(predictions[row].probabilities)["7"])
    assert predictions[clearest].label == "7"
    return np.kron(images[clearest], np.ones((8, 8), np.uint8))


@pytest.fixture
def picture(tmp_path, seven):
    """The seven as a PNG file."""
    PIL.Image.fromarray(seven).save(tmp_path / "seven.png")
    return tmp_path / "seven.png"


@pytest.fixture(scope="session")
def no_network():
    """What to put before a command so that it has no network at all, where this system can do that."""
    for prefix in (("unshare", "-n"), ("unshare", "-rn")):
        try:
            if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
                return prefix
        except OSError:
            continue
    return ()


NETWORK = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 3, 5, 2), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(432, 10))
"""
"""A small network, as a user's file has it."""


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A folder with a network's code, its weights, and the file that torch writes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NETWORK)
    scope: dict[str, type[torch.nn.Module]] = {}
    exec(NETWORK, scope)
    torch.manual_seed(0)
    module = scope["Net"]().eval()
    torch.save(module.state_dict(), "w.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sample = torch.zeros(2, 1, 28, 28)
        torch.onnx.export(module, (sample,), "theirs.onnx", dynamo=False, input_names=["x"], dynamic_axes={"x": [0]})
    return tmp_path
