"""Standard streams that are closed, full or not there."""

import subprocess
import sys
from pathlib import Path

import pytest

SHOW = """
import os, sys
from lenetx_runtime.streams import make_safe, silence
make_safe()
with open("file", "w+") as file:
    print("a note", file=sys.stderr)
    os.write(2, b"of a library")
    print("another note", file=sys.stderr)
    try:
        print("a result", flush=True)
    except OSError:
        silence(sys.stdout)
        file.write("no output")
"""
full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")


@pytest.mark.parametrize(
    ("redirected", "content"),
    [
        ("", ""),
        ("0<&- 1>&- 2>&-", "no output"),
        ("1>&-", "no output"),
        ("2>&-", ""),
        pytest.param("2>/dev/full", "", marks=full),
        pytest.param("1>/dev/full", "no output", marks=full),
        pytest.param("0<&- 1>/dev/full 2>/dev/full", "no output", marks=full),
    ],
)
def test_nothing_that_is_printed_comes_into_a_file_or_ends_the_process(tmp_path, redirected, content):
    (tmp_path / "show.py").write_text(SHOW)
    command = ["sh", "-c", f"exec {sys.executable} show.py {redirected}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert (tmp_path / "file").read_text() == content
    assert done.stdout == ("" if "no output" in content else "a result\n")
    assert done.stderr == ("" if "2>" in redirected else "a note\nof a libraryanother note\n")


def test_a_process_that_was_started_without_streams_has_them_and_so_have_its_children(tmp_path):
    code = (
        "import sys; sys.stdout = sys.stderr = None\n"
        "from lenetx_runtime.streams import make_safe; make_safe()\n"
        "import subprocess; print('lost', file=sys.stderr)\n"
        "open('file', 'w').write(str(subprocess.run([sys.executable, '-c', 'print(1)']).returncode))"
    )
    command = ["sh", "-c", f'exec {sys.executable} -c "$0" 2>&-', code]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "file").read_text() == "0"
