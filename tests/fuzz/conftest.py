"""The targets and the real files of this folder, and the watched process in which they meet."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def fuzz():
    """The function that gives a module of this folder by its name."""

    def load(name):
        sys.path.insert(0, str(HERE))
        try:
            return importlib.import_module(name)
        finally:
            sys.path.remove(str(HERE))

    return load


@pytest.fixture
def watched(tmp_path):
    """The function that runs a Python script in a process and a folder of its own: ``watched(script, *arguments)``."""

    def run(script, *arguments, **options):
        return subprocess.run(
            [sys.executable, "-W", "error", script, *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
            **options,
        )

    return run
