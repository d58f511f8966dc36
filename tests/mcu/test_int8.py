"""Integer inference on emulated microcontrollers: the bits of this machine, and far less memory."""

import importlib.util
import subprocess
import sys

import pytest

from lenetx.proof.compare import compare, shares
from lenetx.proof.reduced import GraphReference

from .board import build, run
from .conftest import CHECKPOINT, row

pytestmark = pytest.mark.mcu


@pytest.fixture(scope="module")
def exported(tmp_path_factory, images):
    """A folder with ``lenet5.c`` and ``lenet5.h`` in int8, the logits of 100 images here, and what they should be."""
    if importlib.util.find_spec("lenetx.formats.c.int8") is None:
        pytest.skip("lenetx has no int8 in C")
    from lenetx.formats import c
    from lenetx.formats.c.source import identifier

    exported, folder = tmp_path_factory.mktemp("exported"), tmp_path_factory.mktemp("int8")
    command = [sys.executable, "-m", "lenetx_cli", "export", CHECKPOINT, "-f", "c", "--precision", "int8"]
    subprocess.run([*command, "--data", "mnist", "-o", exported], check=True)
    (source,), (header,) = exported.glob("*.c"), exported.glob("*.h")
    name = identifier(header.stem)
    for file in (source, header):  # the example calls the network lenet5
        text = file.read_text().replace(header.stem, "lenet5").replace(name, "lenet5").replace(name.upper(), "LENET5")
        (folder / f"lenet5{file.suffix}").write_text(text)
    opened = c.open(source)
    probe = GraphReference(images, opened.reduced, "int8").real
    return folder, opened.backend.run(probe.inputs), probe


@pytest.mark.parametrize("optimize", ["-O2", "-Os"])
def test_the_logits_have_the_bits_of_this_machine(target, optimize, exported, images, folder, report):
    sources, here, probe = exported
    build(target, sources, folder, f"OPTIMIZE={optimize}")
    found = run(target, sources, folder, images.frames)
    assert found.logits.tobytes() == here.tobytes()
    checked = compare("firmware", "end to end", probe, found.logits)
    assert checked.status == "passed", checked.detail
    report(row(target, f"int8 {optimize}", sources, folder, found, float(shares(probe, found.logits).max())))
