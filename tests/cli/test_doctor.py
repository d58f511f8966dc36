"""``lenetx doctor`` as real processes."""

import importlib.metadata
import json
import os

import pytest
import torch

CPU = "CPUExecutionProvider"


@pytest.fixture
def doctor(python, tmp_path):
    """The function that runs the command behind stand-in packages, given as code by name."""

    def run(*arguments, **packages):
        for name, code in packages.items():
            (tmp_path / "instead" / name).mkdir(parents=True)
            (tmp_path / "instead" / name / "__init__.py").write_text(code)
        path = os.pathsep.join([str(tmp_path / "instead"), os.environ.get("PYTHONPATH", "")])
        return python("-m", "lenetx_cli", "doctor", *arguments, PYTHONPATH=path)

    return run


def test_people_read_what_the_runtime_finds_and_the_packages_of_the_exporter(doctor):
    done = doctor()
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-1] == "Predictions can be made here."
    rows = {line.split()[0]: line.split(maxsplit=1)[1].strip() for line in lines[:-1]}
    for name in ("lenetx", "lenetx-runtime", "numpy", "pillow", "torch", "torchvision", "onnx"):
        assert rows[name] == importlib.metadata.version(name)
    assert rows[CPU] == "works"
    (cuda,) = (line for line in lines if line.startswith("CUDA in torch"))
    assert ("CPU alone" in cuda) == (torch.version.cuda is None)


def test_json_is_one_document_that_names_every_broken_package_and_goes_on(doctor):
    done = doctor("--json", torchvision="raise ValueError('a fault')", onnx="import os; os.abort()")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["can_predict"] is True
    assert found["versions"]["torch"] == torch.__version__
    assert found["torch"].keys() == {"cuda", "cuda_devices"}
    assert len(found["torch"]["cuda_devices"]) == torch.cuda.device_count()
    assert found["problems"] == [
        "torchvision cannot be imported: ValueError: a fault. Run 'pip install --force-reinstall torchvision'.",
        "onnx cannot be imported: it ended the process (SIGABRT). Run 'pip install --force-reinstall onnx'.",
    ]


def test_a_missing_package_is_told_from_a_broken_one(monkeypatch):
    """Names that no distribution has stand for a torchvision that was never installed."""
    from lenetx import doctor

    def steps(_):
        problem = "ModuleNotFoundError: No module named 'torchvision'"
        return {"torch": {"cuda": "none"}, "torchvision": {"problem": problem}, "onnx": {}}

    monkeypatch.setattr(doctor, "attempt", steps)
    version_of = doctor.version_of
    monkeypatch.setattr(doctor, "version_of", lambda name: None if name == "torchvision" else version_of(name))
    found = doctor.examine()
    assert found.can_predict
    assert found.runtime.problems == ("torchvision is not installed. Run 'pip install torchvision'.",)
    assert ("torchvision", "not installed") in found.rows()


def test_without_torch_nothing_that_needs_it_is_blamed(doctor):
    done = doctor(torch="raise ImportError('libtorch.so: cannot open shared object file')")
    assert done.returncode == 0
    (problem,) = (line for line in done.stdout.splitlines() if line.startswith("Problem: "))
    assert "torch cannot be imported: ImportError: libtorch.so" in problem
    assert "CUDA in torch           unknown: torch does not work" in done.stdout


def test_where_no_prediction_can_be_made_the_end_is_3(doctor):
    done = doctor("--json", onnxruntime="raise ImportError('no engine')", torch="raise ImportError('quick')")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert found["can_predict"] is False
    assert "no engine" in found["problems"][0]
