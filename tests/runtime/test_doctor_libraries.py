"""Which libraries of CUDA are missing, by name: real libraries, compiled here."""

import ctypes
import platform
import shutil
import subprocess
import sys

import pytest

from lenetx_runtime.doctor.engine import DRIVER

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="the words are those of Linux's loader")

ASK = """
import sys, types
from lenetx_runtime.doctor.engine import missing_libraries
engine = types.SimpleNamespace(__file__=sys.argv[1])
if sys.argv[2:]:
    engine._get_nvidia_dll_paths = lambda is_windows: [("nvidia", "lib", name) for name in sys.argv[2:]]
print(*missing_libraries(engine), sep="\\n")
"""


@pytest.fixture
def missing(tmp_path):
    """The function that gives what is missing for a stand-in for onnxruntime that loads libraries of these names.

    Its provider for CUDA is a real library that was linked to a real libcuddle.so.9.
    """
    compiler = shutil.which("cc") or pytest.skip("there is no C compiler")
    capi = tmp_path / "onnxruntime" / "capi"
    capi.mkdir(parents=True)
    (tmp_path / "nothing.c").write_text("int nothing(void) { return 0; }\n")
    (tmp_path / "something.c").write_text("int nothing(void); int something(void) { return nothing(); }\n")
    make = [compiler, "-shared", "-fPIC", "-o"]
    needed = tmp_path / "libcuddle.so.9"
    subprocess.run([*make, needed, tmp_path / "nothing.c", "-Wl,-soname,libcuddle.so.9"], check=True)
    subprocess.run([*make, capi / "libonnxruntime_providers_cuda.so", tmp_path / "something.c", needed], check=True)

    def run(*names, **variables):
        command = ["env", *(f"{key}={value}" for key, value in variables.items()), sys.executable, "-c", ASK]
        done = subprocess.run(
            [*command, capi.parent / "__init__.py", *names], capture_output=True, text=True, check=True, timeout=250
        )
        return {*done.stdout.splitlines()}

    return run


def test_each_library_that_onnxruntime_loads_and_that_is_not_there_is_named(missing, tmp_path):
    names = ("libcuddle.so.9", "libcudgel.so.7")
    assert missing(*names) - {DRIVER} == {*names}
    assert missing(*names, LD_LIBRARY_PATH=tmp_path) - {DRIVER} == {"libcudgel.so.7"}


def test_where_it_does_not_say_what_it_loads_the_first_is_named(missing, tmp_path):
    assert missing() - {DRIVER} == {"libcuddle.so.9"}
    assert missing(LD_LIBRARY_PATH=tmp_path) - {DRIVER} == set()


def test_a_library_that_is_there_and_bad_is_named_with_the_reason(missing, tmp_path):
    (tmp_path / "libcuddle.so.9").write_bytes(b"cut off")
    (found,) = missing("libcuddle.so.9", LD_LIBRARY_PATH=tmp_path) - {DRIVER}
    assert found.startswith("libcuddle.so.9 (")
    assert "file too short" in found or "invalid ELF header" in found


def test_the_driver_is_looked_for_too(missing):
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        assert DRIVER in missing("libc.so.6")
    else:
        assert missing("libc.so.6") == set()
