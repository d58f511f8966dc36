"""``python -m lenetx_runtime doctor`` as real processes, with real and broken packages and stand-ins on their path."""

import importlib.metadata
import json
import os
import platform
import site
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import lenetx_runtime
from lenetx_runtime.cpus import count_cpus

CPU, CUDA, REMOTE = "CPUExecutionProvider", "CUDAExecutionProvider", "AzureExecutionProvider"
NVIDIA = platform.system() in ("Linux", "Windows")


def test_where_all_is_well_people_read_a_line_of_everything(python):
    done = python("-m", "lenetx_runtime", "doctor")
    assert (done.returncode, done.stderr) == (0, "")
    *lines, last = done.stdout.splitlines()
    assert last == "Predictions can be made here."
    rows = dict(line.split(maxsplit=1) for line in lines)
    assert rows["python"].startswith(platform.python_version())
    for name in ("lenetx-runtime", "numpy", "pillow"):
        assert rows[name] == importlib.metadata.version(name)
    cpus = count_cpus()
    assert f"{cpus.usable} threads" in rows["CPUs"]
    assert rows[CPU] == "works"
    if REMOTE in onnxruntime.get_available_providers():
        assert rows[REMOTE].startswith("n/a    It runs models on remote servers only")


def test_json_says_the_same(doctor):
    code, found = doctor()
    assert code == 0
    assert found["can_predict"] is True
    assert found["problems"] == []
    assert found["versions"].keys() == {"python", "lenetx-runtime", "numpy", "pillow"}
    assert found["engines"] == {"onnxruntime": onnxruntime.__version__}
    status = {each["name"]: each["status"] for each in found["providers"]}
    assert status.keys() >= {*onnxruntime.get_available_providers()}
    assert status[CPU] == "works"
    cpus = count_cpus()
    assert found["cpus"]["threads"] == cpus.usable
    assert found["cpus"]["machine"] == cpus.machine


@pytest.mark.skipif(not NVIDIA or CUDA in onnxruntime.get_available_providers(), reason="CUDA is there or cannot be")
def test_an_engine_without_cuda_is_no_problem_and_says_how_to_get_it(doctor):
    _, found = doctor()
    (cuda,) = (each for each in found["providers"] if each["name"] == CUDA)
    assert cuda["status"] == "not_applicable"
    assert 'pip install "onnxruntime-gpu[cuda,cudnn]"' in cuda["detail"]


@pytest.fixture
def bare(tmp_path):
    """A folder like that of an environment in which only numpy and Pillow are installed: links to the real ones."""
    folder = tmp_path / "bare"
    folder.mkdir()
    for place in map(Path, site.getsitepackages()):
        for path in place.glob("*"):
            if path.name.lower().startswith(("numpy", "pil", "lenetx_runtime-")):
                (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def linked(python, bare):
    """The function that links more of the installed packages there and runs the command."""

    def run(*names):
        for name in names:
            (bare / name).symlink_to(Path(onnxruntime.__file__).parent.parent / name)
        path = os.pathsep.join([str(bare), str(Path(lenetx_runtime.__file__).parent.parent)])
        done = python("-S", "-m", "lenetx_runtime", "doctor", "--json", PYTHONPATH=path)
        return done.returncode, json.loads(done.stdout)

    return run


ENGINE = ("onnxruntime", f"onnxruntime-{onnxruntime.__version__}.dist-info")


def test_without_an_engine_it_says_what_to_install(linked):
    """A real environment without one, but for being made of links: -S leaves out the installed packages."""
    status, found = linked()
    assert (status, found["can_predict"]) == (3, False)
    assert (found["engines"], found["providers"]) == ({}, [])
    (problem,) = found["problems"]
    assert problem.startswith("No inference engine is installed: run 'pip install onnxruntime'")
    assert found["versions"]["numpy"] == np.__version__


def test_without_pillow_predictions_cannot_be_made(linked, bare):
    for path in bare.glob("[pP][iI][lL]*"):
        path.unlink()
    status, found = linked(*ENGINE)
    assert (status, found["can_predict"]) == (3, False)
    assert found["problems"] == ["pillow is not installed. Run 'pip install pillow'."]
    assert found["versions"]["pillow"] is None
    assert {each["name"]: each["status"] for each in found["providers"]}[CPU] == "works"


def test_an_engine_that_no_installer_has_written_has_a_version_too(linked):
    status, found = linked(ENGINE[0])
    assert (status, found["problems"]) == (0, [])
    assert found["engines"] == {"onnxruntime": onnxruntime.__version__}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise ImportError('libcudart.so.12: cannot open shared object file')", "libcudart.so.12: cannot open"),
        ("raise RuntimeError('a\\nfault')", "cannot be imported: RuntimeError: a fault. Run 'pip "),
        ("", "onnxruntime is there but incomplete"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "cannot be imported: it ended the process (SIGSEGV)",
        ),
        ("import sys; print('noise'); sys.exit('so\\nlong')", "it ended the process with status 1: long. Run "),
        (
            "def InferenceSession(): 0\ndef get_available_providers(): return 1 / 0",
            "ZeroDivisionError: division by zero",
        ),
    ],
)
def test_a_broken_engine_is_a_problem_with_a_remedy(doctor, package, code, words):
    status, found = doctor(package("onnxruntime", code))
    assert (status, found["can_predict"]) == (3, False)
    (problem,) = found["problems"]
    assert words in problem
    assert "Run 'pip uninstall -y onnxruntime" in problem
    assert "\n" not in problem


@pytest.mark.parametrize(("name", "module"), [("numpy", "numpy"), ("pillow", "PIL")])
def test_a_broken_package_is_named(doctor, package, name, module):
    status, found = doctor(package(module, "raise OSError('damaged')"))
    assert (status, found["can_predict"]) == (3, False)
    assert (
        f"{name} cannot be imported: OSError: damaged. Run 'pip install --force-reinstall {name}'." in found["problems"]
    )


def distribution(folder, name, version="1.2.3", **files):
    """Write what an installer leaves of a distribution: its dist-info folder."""
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    for file, text in ({"METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"} | files).items():
        (about / file.replace("top_level", "top_level.txt")).write_text(text)


@pytest.mark.parametrize("owns", [{"RECORD": "onnxruntime/__init__.py,,\n"}, {"top_level": "onnxruntime\n"}])
def test_two_wheels_of_the_engine_are_a_problem_with_a_remedy(doctor, tmp_path, owns):
    """The second is a stand-in: what an installer writes beside it, without its files."""
    distribution(tmp_path / "second", "onnxruntime-gpu", **owns)
    status, found = doctor(tmp_path / "second")
    assert (status, found["can_predict"]) == (0, True)
    assert found["engines"] == {"onnxruntime": onnxruntime.__version__, "onnxruntime-gpu": "1.2.3"}
    (problem,) = found["problems"]
    assert problem.startswith(f"onnxruntime {onnxruntime.__version__} and onnxruntime-gpu 1.2.3 write the same files")
    assert "'pip uninstall -y onnxruntime onnxruntime-gpu' and then 'pip install onnxruntime' or " in problem


def test_other_distributions_are_no_engines(doctor, tmp_path):
    distribution(tmp_path / "others", "onnxruntime-extensions", RECORD="onnxruntime_extensions/__init__.py,,\n")
    distribution(tmp_path / "others", "onnxruntime-tools", METADATA="")
    distribution(tmp_path / "others", "my-onnxruntime", top_level="onnxruntime\n")
    _, found = doctor(tmp_path / "others")
    assert found["engines"].keys() == {"onnxruntime"}


def test_it_runs_where_neither_torch_nor_onnx_can_be_imported(python):
    block = "import sys; sys.modules.update(dict.fromkeys(('torch', 'onnx', 'lenetx', 'rich', 'typer')));"
    done = python("-c", block + "from lenetx_runtime.__main__ import main; sys.exit(main(['doctor']))")
    assert (done.returncode, done.stderr) == (0, "")
    assert sys.executable not in done.stdout
