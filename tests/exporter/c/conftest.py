"""Compile C that lenetx writes, as a firmware engineer would."""

import ctypes
import subprocess

import numpy as np
import pytest

from lenetx import data
from lenetx.formats import open_artifact
from lenetx.formats.c.compile import compilers
from lenetx.formats.c.source import header
from lenetx.formats.network import Network
from lenetx.quantization.calibration import sample

from .int8_networks import export

STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow")


def pytest_collection_modifyitems(items):
    """Skip the tests of this folder where there is no C compiler."""
    if compilers():
        return
    for item in items:
        if "exporter/c/" in item.nodeid:
            item.add_marker(pytest.mark.skip(reason="there is no C compiler"))


@pytest.fixture
def library(tmp_path):
    """A function that compiles C text into a shared library and loads it."""

    def build(text, *flags, name="net", compiler=None, files=(), standard="c99"):
        place = tmp_path / f"{name}-{len([*tmp_path.iterdir()])}"
        place.mkdir()
        (place / f"{name}.c").write_text(text)
        for file, contents in files:
            (place / file).write_text(contents)
        command = [compiler or compilers()[0], f"-std={standard}", *STRICT, *flags, "-shared", "-fPIC"]
        done = subprocess.run(
            [*command, "-o", "net.so", f"{name}.c", "-lm"], cwd=place, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return ctypes.CDLL(str(place / "net.so"))

    return build


@pytest.fixture
def built(library):
    """A function that compiles a ``Source``."""

    def build(source, *flags, **options):
        files = [(f"{source.stem}.h", header(source))]
        return library(source.text, *flags, name=source.stem, files=files, **options)

    return build


def called(function, *arguments):
    """Call a C function with arrays and numbers."""
    return function(
        *(each.ctypes.data_as(ctypes.c_void_p) if isinstance(each, np.ndarray) else each for each in arguments)
    )


@pytest.fixture(scope="session")
def built_in(checkpoints):
    """The C files of the trained networks in int8."""
    digits = data.load("digits")
    return {name: export(Network(each), sample(digits, each.spec, images=100)) for name, each in checkpoints.items()}


@pytest.fixture
def opened(tmp_path):
    """The function that writes a file in int8 and opens it."""

    def run(contents):
        (tmp_path / "a.int8.c").write_bytes(contents)
        return open_artifact(tmp_path / "a.int8.c")

    return run
