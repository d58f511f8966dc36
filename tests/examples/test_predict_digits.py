"""examples/predict_digits.py as a process."""

import re

import numpy
import pytest


@pytest.fixture
def script(root):
    return root / "examples" / "predict_digits.py"


def test_it_shows_eight_digits_and_counts_the_others(python, script, model):
    done = python(script, model)
    assert (done.returncode, done.stderr) == (0, "")
    *drawn, predicted, true, count = done.stdout.splitlines()
    assert len(drawn) == 8
    assert len(re.findall(r"predicted \d", predicted)) == len(re.findall(r"true \d", true)) == 8
    right, total = map(int, re.findall(r"\d+", count))
    assert total * 0.8 < right <= total


def test_without_a_model_it_says_how_to_make_one(python, script, tmp_path):
    done = python(script)
    sentence = "There is no artifacts/lenet5.onnx here: run lenetx train, then lenetx export, or name another model.\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)
    missing = tmp_path / "no.onnx"
    done = python(script, missing)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"There is no model '{missing}'.\n")


def test_without_lenetx_it_says_what_to_install(python, script, model, tmp_path):
    (tmp_path / "numpy").symlink_to(numpy.__path__[0])
    (tmp_path / "numpy.libs").symlink_to(f"{numpy.__path__[0]}.libs")
    done = python("-S", script, model, PYTHONPATH=str(tmp_path))
    sentence = "lenetx is not installed here. In the clone: pip install -c constraints.txt ./runtime '.[cpu]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)
