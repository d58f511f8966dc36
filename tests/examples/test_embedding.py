"""docs/embedding.md: every Python block is a program that prints what the page says, in a folder as the page says."""

import re
import shutil

import pytest

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
    assert len(blocks) == page.count("```") // 2 >= 7
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


def test_its_links_lead_somewhere(page, root):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page)
    assert len(links) > 5
    assert all((root / "docs" / link).exists() for link in links)
