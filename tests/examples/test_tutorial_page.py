"""docs/tutorial.md: its commands and programs run one after the other in an empty folder, as they are copied."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_tutorial_leads_from_pictures_to_a_program_that_labels_them(root, tmp_path):
    page = (root / "docs" / "tutorial.md").read_text("utf-8")
    write_pictures, program = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    commands = re.findall(r"^    ((?:lenetx|python -m lenetx_runtime) .*)$", page, re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["train", "inspect", "export", "verify", "predict", "-m"]
    (tmp_path / "pictures.py").write_text(write_pictures)
    (tmp_path / "program.py").write_text(program)
    picture = Path("pictures", "7", "7.png")
    lines = ["python pictures.py", *commands, f"python program.py {picture}"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", "\n".join(lines).replace("PICTURE", str(picture))],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"{picture} 7 ")
    assert "lenet5.onnx computes what eager PyTorch computes (179 test images of pictures/)." in done.stdout
    assert (tmp_path / "proof.html").read_text().startswith("<!DOCTYPE html>")
    assert (tmp_path / "seen.png").exists()
