"""The C file that runs on the processors, the images, and the table of what they needed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .board import TARGETS, sizes

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "artifacts" / "reference" / "lenet5.pt"
IMAGES = 100
_ROWS = pytest.StashKey[list]()
_COLUMNS = {
    "processor": "processor",
    "how": "",
    "code": "network code",
    "constants": "constants",
    "flash": "flash in all",
    "scratch": "scratch",
    "stack": "stack",
    "ram": "RAM in all",
    "instructions": "instructions",
    "share": "of the limit",
}


@pytest.fixture(params=list(TARGETS))
def target(request):
    """A processor whose compiler and emulator are installed."""
    found = TARGETS[request.param]
    if found.missing:
        pytest.skip(found.missing)
    return found


@pytest.fixture
def folder(tmp_path):
    """Where the firmware is built."""
    (tmp_path / "build").mkdir()
    return tmp_path / "build"


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """A folder with ``lenet5.c`` and ``lenet5.h``, as ``lenetx export -f c`` writes and proves them."""
    if not any(map(shutil.which, ("gcc", "clang"))):
        pytest.skip("not installed: gcc or clang, for the proof of the C file")
    exported, folder = tmp_path_factory.mktemp("exported"), tmp_path_factory.mktemp("sources")
    command = [sys.executable, "-m", "lenetx_cli", "export", CHECKPOINT, "-f", "c", "-o", exported]
    environment = {key: value for key, value in os.environ.items() if key != "LENETX_DATA"}  # its proof has own tests
    subprocess.run(command, check=True, env=environment)
    for suffix in ("c", "h"):
        (file,) = exported.glob(f"*.{suffix}")
        shutil.copy(file, folder / f"lenet5.{suffix}")
    return folder


@pytest.fixture(scope="session")
def images(mnist_root):
    """The reference of 100 MNIST test images, whose logits have the limits that the proof computes."""
    import lenetx

    return lenetx.reference(lenetx.load(CHECKPOINT), data_name="mnist", data_root=mnist_root, images=IMAGES)


@pytest.fixture
def report(request):
    """The function that adds a row to the table, which is printed at the end and written to build/mcu.json."""
    return request.config.stash.setdefault(_ROWS, []).append


def row(target, how, sources, folder, found, share):
    """Return the row of the table for a run of the firmware in ``folder``."""
    used = sizes(folder)
    (scratch,) = re.findall(r"_SCRATCH_BYTES (\d+)", (sources / "lenet5.h").read_text())
    return {
        "processor": target.words,
        "how": how,
        "compiler": target.compiler,
        "code": used.code,
        "constants": used.constants,
        "flash": used.flash,
        "scratch": int(scratch),
        "static": used.static,
        "stack": found.stack,
        "ram": used.static + found.stack,
        "instructions": int(np.median(found.instructions)),
        "images": len(found.logits),
        "share": share,
    }


def pytest_terminal_summary(terminalreporter, config):
    """Print the table and write it as JSON."""
    rows = config.stash.get(_ROWS, [])
    if not rows:
        return
    place = ROOT / "build" / "mcu.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(rows, indent=1) + "\n")
    lines = [list(_COLUMNS.values()), *([_cell(row[key]) for key in _COLUMNS] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    terminalreporter.section(f"lenet5 on emulated microcontrollers: bytes, and instructions per image; {place}")
    for first, *others in lines:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        terminalreporter.line("  ".join([first.ljust(widths[0]), *cells]))


def _cell(value):
    if isinstance(value, float):
        return f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int) else value
