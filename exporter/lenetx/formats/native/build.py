"""Compile a C file to a shared library: the same bytes for the same file, compiler, linker and level of processor."""

import subprocess
from dataclasses import dataclass

from lenetx_runtime import EngineMissing, InputError
from lenetx_runtime.native import cpu_levels, machine
from lenetx_runtime.native_file import LEVELS

from ...files import temporary_folder
from ..c.compile import build, environment, wrapper, write_sources
from ..c.source import Source
from ..c.steps import Packing

__all__ = ["FLAGS", "STEM", "Toolchain", "chosen_level", "compiled", "require_level", "toolchain"]

STEM = "network"
"""Name of the C file of every library: nothing of it is left in the machine code."""
FLAGS = (
    *("-O3", "-shared", "-fPIC", "-fvisibility=hidden", "-nostartfiles"),
    *("-s", "-fno-ident", "-Wl,--build-id=none", "-Wl,--as-needed"),
)
"""One function is visible, and nothing tells where or when it was compiled."""
_VISIBLE = """\
#include "@STEM@.h"

@KEPT@

#include "@STEM@.c"

__attribute__((visibility("default"))) int lenetx_run(const float *in, float *out, int count, void *scratch);

"""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler with its linker.

    Attributes:
        compiler: its name.
        version: what it says of its version.
        linker: what its linker says.
    """

    compiler: str
    version: str
    linker: str

    def __str__(self) -> str:
        """Return both versions in words."""
        return f"{self.version} with {self.linker}"


def toolchain(compiler: str) -> Toolchain:
    """Return a compiler with the versions that this machine has.

    Raises:
        EngineMissing: the compiler or its linker is not there.
    """
    linker = _first_line(compiler, "-print-prog-name=ld")
    return Toolchain(compiler, _first_line(compiler, "--version"), _first_line(linker, "--version"))


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)  # noqa: S603
        return done.stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        raise EngineMissing(f"'{command[0]}' cannot be started: install gcc or clang, and binutils.") from None


def require_level(level: str) -> None:
    """Check the name of a level of processors.

    Raises:
        InputError: there is no such level.
    """
    names = [each for levels in LEVELS.values() for each in levels]
    if level not in names:
        raise InputError(f"There is no processor level '{level}'. There are: {', '.join(names)}.")


def chosen_level(level: str | None) -> str:
    """Return the level to compile for: by default the highest that this processor has.

    Raises:
        InputError: this processor is below it, so that nothing could be proven.
        EngineMissing: libraries are not made on this system.
    """
    has = cpu_levels()
    if not has:
        raise EngineMissing(
            f"Native libraries are made on Linux, for {' and '.join(LEVELS)}; this is {machine()}. "
            "'lenetx export -f c' writes C for any compiler."
        )
    if level is not None and level not in has:
        raise InputError(f"The library for {level} could not be proven here: this processor is {has[-1]}.")
    return level or has[-1]


def compiled(source: Source, compiler: str, level: str) -> bytes:
    """Return the shared library of a C file: ``lenetx_run(in, out, count, scratch)``.

    Every weight is kept as it is in the C file, in one piece: compilers would spread short arrays over instructions.

    Raises:
        EngineMissing: the compiler is not there, or does not know the level.
    """
    arrays = source.program.arrays.items()
    sizes = {name: held.order.size if isinstance(held, Packing) else held.size for name, held in arrays}
    kept = [f"static const float {name}[{size}] __attribute__((used));" for name, size in sizes.items()]
    text = _VISIBLE.replace("@STEM@", source.stem).replace("@KEPT@", "\n".join(kept)) + wrapper(source)
    with temporary_folder() as place:
        write_sources(place, source)
        (place / "library.c").write_text(text, encoding="ascii", newline="\n")
        return build(place, compiler, (*FLAGS, f"-march={level}"), ("library.c",), "library.so").read_bytes()
