"""docs/embedding.md: every Python block is a program that prints what the page says, in a folder as the page says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lenetx_runtime import Classifier

PRINTED = re.compile(r"^ *print\(.*\) {2,}# (.+)$|^# (.+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "embedding.md").read_text("utf-8")


@pytest.fixture
def folder(tmp_path, model, seven, pictures):  # noqa: ARG001  # the pictures are made in tmp_path
    for file in (model, model.with_name("lenet5.onnx.verified.json"), seven):
        shutil.copy(file, tmp_path)
    return tmp_path


def test_every_block_runs_by_itself_and_prints_what_it_says(page, python, folder):
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    others = re.findall(r"^```(?:cpp|js)$", page, re.MULTILINE)
    assert len(blocks) + len(others) == page.count("```") // 2 >= 7
    for number, block in enumerate(blocks):
        program = folder / f"block{number}.py"
        program.write_text(block)
        done = python("-W", "error", program, cwd=folder)
        assert (done.returncode, done.stderr) == (0, ""), block
        expected = [printed or stated for printed, stated in PRINTED.findall(block)]
        assert done.stdout.splitlines() == expected, block
    *_, kiosk = blocks
    program.write_text(kiosk)
    done = python(program, "seven.png", cwd=folder)
    assert done.stdout == "7\n"


@pytest.fixture
def clone(root, tmp_path):
    """What the page takes from a clone."""
    made = tmp_path / "clone"
    shutil.copytree(root / "examples", made / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(root / "artifacts" / "reference", made / "artifacts" / "reference")
    return made


def test_its_commands_run_one_after_the_other_as_they_are_copied(page, clone):
    """All but the service, which has tests of its own, and what installs; the watcher ends after its first picture."""
    commands = re.findall(r"^    (\S.*)$", re.sub(r"^```python\n.*?^```$", "", page, flags=re.M | re.S), re.MULTILINE)
    skipped = ("pip ", "LENETX_MODEL", "curl ", "pyinstaller ", "dist/")
    lines = [command for command in commands if not command.startswith(skipped)]
    assert len(commands) - len(lines) >= len(skipped)
    watched = "cp seven.png incoming; {} > out & until [ -s out ]; do sleep 0.1; done; kill $!; wait $!; cat out"
    lines = [watched.format(line) if "watch_folder" in line else line for line in lines]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path}
    done = subprocess.run(
        ["bash", "-ec", "\n".join(lines)],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    pool, watcher, built, app = done.stdout.splitlines()
    assert pool.startswith('{"file": "seven.png", "label": "7"')
    assert watcher.startswith('{"file": "seven.png", "label": "7"')
    assert built.startswith("Wrote digits.pyz")
    assert app == "seven.png: 7 (100.0%)"


def test_its_other_commands_name_files_that_are_there(page, root, clone):
    demo = clone / "artifacts" / "demo"
    for path in re.findall(r"(?:--app-dir|-c) (\.\./\S+)", page):
        assert (root / (demo / path).resolve().relative_to(clone.resolve())).exists()
    assert all("-c " in line for line in re.findall(r"^    pip install.*$", page, re.MULTILINE))


@pytest.mark.skipif(not (Path(__file__).parents[2] / ".git").exists(), reason="not a clone")
def test_its_folder_does_not_dirty_the_clone(page, root):
    (folder,) = re.findall(r"&& cd (\S+)$", page, re.MULTILINE)
    ignored = subprocess.run(["git", "check-ignore", "-q", f"{folder}/lenet5.onnx"], cwd=root, check=False)
    assert ignored.returncode == 0


@pytest.mark.parametrize(("side", "answers"), [(28, 3), (29, 1)])
def test_only_what_is_28_by_28_is_taken_where_it_is_drawn(model, side, answers):
    probabilities = set()
    with Classifier(model) as classifier:
        for top in (2, 8, 14):
            drawn = np.zeros((side, side), np.uint8)
            drawn[top : top + 10, 6:8] = 255
            probabilities.add(classifier.predict(drawn).probability)
    assert len(probabilities) == answers


def test_its_links_lead_somewhere(page, root):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page)
    assert len(links) > 5
    assert all((root / "docs" / link).exists() for link in links)
