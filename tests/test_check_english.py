"""The linter of docstrings finds the forms that it refuses, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("docstring", "code"),
    [
        ("Give the logits.", 1),
        ("Say whether it is one.", 1),
        ("Do nothing if it is one.", 1),
        ("Return what it gives.", 0),
        ("Given frames, return logits.", 0),
    ],
)
def test_first_lines(tmp_path, docstring, code):
    (tmp_path / "module.py").write_text(f'"""A module."""\n\n\ndef function():\n    """{docstring}"""\n')
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "check_english.py", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert ("module.py:5" in done.stdout) == bool(code)
