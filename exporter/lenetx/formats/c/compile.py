"""Compile a C file that lenetx wrote, with the compilers of this machine."""

import ctypes
import errno
import functools
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lenetx_runtime import EngineMissing

from ...files import temporary_folder
from .source import Source, header

__all__ = [
    "COMPILERS",
    "MAIN",
    "SANITIZERS",
    "WRAPPER",
    "build",
    "compilers",
    "environment",
    "first_compiler",
    "lacks_sanitizers",
    "library",
    "wrapper",
    "write_sources",
]

COMPILERS = ("gcc", "clang")
MAIN, WRAPPER = "lenetx=main.c", "lenetx=wrapper.c"
"""Files beside a C file: no stem has the letter =."""
SANITIZERS = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_LONGEST = 400
_FULL = "No space left on device"
_WRAPPER = """\
#include "@HEADER@.h"

int lenetx_run(const float *in, float *out, int count, void *scratch);
int lenetx_run(const float *in, float *out, int count, void *scratch)
{
    int wrong = 0;
    for (int n = 0; n < count && wrong == 0; ++n) {
        wrong = @NAME@_logits(in + (long)n * @INPUTS@, out + (long)n * @OUTPUTS@, scratch);
    }
    return wrong;
}
"""


def compilers() -> list[str]:
    """Return the names of the C compilers that this machine has."""
    return [name for name in COMPILERS if shutil.which(name)]


def first_compiler() -> str:
    """Return the compiler to use.

    Raises:
        EngineMissing: there is none.
    """
    found = compilers()
    if not found:
        raise EngineMissing(f"There is no C compiler here: install {' or '.join(COMPILERS)}.")
    return found[0]


def wrapper(source: Source) -> str:
    """Return C that runs several images in one call."""
    channels, height, width = source.spec.input_shape
    text = (
        _WRAPPER.replace("@HEADER@", source.stem)
        .replace("@NAME@", source.name)
        .replace("@INPUTS@", str(channels * height * width))
    )
    return text.replace("@OUTPUTS@", str(len(source.spec.labels)))


def build(folder: Path, compiler: str, flags: Sequence[str], sources: Sequence[str], output: str) -> Path:
    """Compile files of a folder.

    Args:
        folder: where they are; the compiler runs in it, so that its output names no path.
        compiler: its name.
        flags: options before the files.
        sources: names of the files.
        output: name of the result.

    Raises:
        EngineMissing: the compiler is not there, or does not compile what lenetx wrote.
        OSError: the disk is full.
    """
    command = [compiler, *flags, "-o", output, *sources, "-lm"]
    try:
        done = subprocess.run(  # noqa: S603  # a compiler, and files that lenetx wrote
            command,
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError:
        raise EngineMissing(f"The compiler {compiler} cannot be started.") from None
    if done.returncode:
        told = " ".join((done.stderr or done.stdout).split())[:_LONGEST]
        problem = f"{compiler} {' '.join(flags)} does not compile what lenetx wrote: {told}"
        if _FULL in told:
            raise OSError(errno.ENOSPC, problem)
        raise EngineMissing(problem)
    return folder / output


def environment() -> dict[str, str]:
    """Return what compilers may know of this process's environment: CPATH and LD_RUN_PATH would change their output."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "LC_ALL": "C"}


def library(source: Source, compiler: str, flags: Sequence[str]) -> ctypes.CDLL:
    """Compile a C file as a shared library and load it.

    Raises:
        EngineMissing: the compiler is not there or does not accept the file, or the library cannot be loaded.
    """
    with temporary_folder() as place:
        write_sources(place, source)
        built = build(place, compiler, (*flags, "-shared", "-fPIC"), (f"{source.stem}.c", WRAPPER), "network.so")
        return ctypes.CDLL(str(built))


def lacks_sanitizers(compiler: str) -> str:
    """Return why a compiler has no ``SANITIZERS`` that work here; an empty string if it has.

    Raises:
        EngineMissing: it compiles nothing here.
    """
    return _lacks_sanitizers(shutil.which(compiler) or compiler)


@functools.cache
def _lacks_sanitizers(compiler: str) -> str:
    with temporary_folder() as place:
        (place / MAIN).write_text("int main(void) { return 0; }\n", encoding="ascii")
        build(place, compiler, (), (MAIN,), "plain")
        try:
            command = [str(build(place, compiler, SANITIZERS, (MAIN,), "sanitized"))]
        except EngineMissing as error:
            return str(error)
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # built here
    told = " ".join(done.stderr.split())[:_LONGEST]
    return f"Sanitizers do not run here: status {done.returncode}. {told}".strip() if done.returncode else ""


def write_sources(folder: Path, source: Source) -> None:
    """Write the C file, its header and ``WRAPPER`` into a folder."""
    files = {f"{source.stem}.c": source.text, f"{source.stem}.h": header(source), WRAPPER: wrapper(source)}
    for name, contents in files.items():
        (folder / name).write_text(contents, encoding="ascii", newline="\n")
