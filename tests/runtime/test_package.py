"""What an app sees when it imports the package, and what the package itself imports."""

import ast
import importlib.metadata
import json
import subprocess
import sys
import types
from pathlib import Path

import pytest

import lenetx_runtime

SOURCES = sorted(Path(lenetx_runtime.__file__).parent.rglob("*.py"))
NEVER = {"torch", "torchvision", "onnx", "onnxscript", "lenetx", "lenetx_cli"}
LATER = {"onnxruntime", "PIL", "numpy"}


def modules_after(code):
    command = f"import json, sys\n{code}\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    # -I leaves out the working directory and the user's site, as for an installed app
    result = subprocess.run([sys.executable, "-I", "-c", command], capture_output=True, text=True, timeout=250)
    assert result.stderr == ""
    return set(json.loads(result.stdout))


@pytest.mark.parametrize(
    "code",
    [
        "import lenetx_runtime",
        "import lenetx_runtime; lenetx_runtime.__version__",
        "from lenetx_runtime import *",
        "import lenetx_runtime.preprocess, lenetx_runtime.ort, lenetx_runtime.onnx_file",
        "import lenetx_runtime.__main__, lenetx_runtime.run_selftest, lenetx_runtime.certificate",
        "import lenetx_runtime.cpus, lenetx_runtime.commands, lenetx_runtime.doctor.engine",
    ],
)
def test_importing_loads_nothing_heavy(code):
    assert modules_after(code) & (NEVER | LATER) == set()


def test_predicting_loads_neither_torch_nor_onnx(model_path):
    code = f"""
import numpy
from lenetx_runtime import Classifier
Classifier({str(model_path)!r}).predict(numpy.eye(40, dtype=numpy.uint8))
"""
    loaded = modules_after(code)
    assert loaded >= LATER
    assert loaded & NEVER == set()


def test_all_is_exactly_what_the_package_shows():
    public = {
        name
        for name, value in vars(lenetx_runtime).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert set(lenetx_runtime.__all__) == public | {"__version__"}
    assert len(lenetx_runtime.__all__) == len(set(lenetx_runtime.__all__))


@pytest.mark.parametrize("name", lenetx_runtime.__all__)
def test_every_name_in_all_can_be_imported(name):
    scope = {}
    exec(f"from lenetx_runtime import {name}", scope)
    assert scope[name] == getattr(lenetx_runtime, name)


def test_the_version_is_that_of_the_installed_distribution():
    assert lenetx_runtime.__version__ == importlib.metadata.version("lenetx-runtime")


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Klassifier'"):
        lenetx_runtime.Klassifier  # noqa: B018  # looking it up is the test


def test_the_package_tells_type_checkers_that_it_is_typed():
    assert Path(lenetx_runtime.__file__).with_name("py.typed").is_file()


def imported(source):
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_no_module_imports_the_exporter_or_torch(source):
    assert {name.partition(".")[0] for name in imported(source)} & NEVER == set()


def test_the_package_needs_only_what_it_declares():
    third_party = {name.partition(".")[0] for source in SOURCES for name in imported(source)} - sys.stdlib_module_names
    assert third_party == LATER
