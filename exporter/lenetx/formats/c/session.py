"""Run C files: compiled into this process, or in a process of its own under sanitizers."""

import contextlib
import ctypes
import subprocess
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from lenetx_runtime import ArtifactError, DeviceUnavailable

from ...files import temporary_folder
from .compile import MAIN, SANITIZERS, build, library, write_sources
from .source import Source, found_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CompiledBackend", "SanitizedBackend"]

_AT_ONCE, _PIPE = 256, 2**15
"""Images sent to the program before its answers are read, whose bytes must fit into a pipe."""
_LONGEST, _MOST_BYTES = 300, 2**30
_MAIN = """\
#include "@HEADER@.h"
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    float *in = malloc(sizeof(float) * @INPUTS@), *out = malloc(sizeof(float) * @OUTPUTS@);
    void *scratch = malloc(@SCRATCH@);
    int wrong = in == NULL || out == NULL || scratch == NULL;
    while (wrong == 0 && fread(in, sizeof(float), @INPUTS@, stdin) == @INPUTS@) {
        wrong = @NAME@_logits(in, out, scratch);
        fwrite(out, sizeof(float), @OUTPUTS@, stdout);
        fflush(stdout);
    }
    free(in);
    free(out);
    free(scratch);
    return wrong != 0;
}
"""


class CompiledBackend:
    """Run a C file that was compiled into a shared library.

    Args:
        source: the file.
        compiler: with which it is compiled.
        flags: the compiler's options.
        device: ``cpu``; there is no other.

    Raises:
        DeviceUnavailable: another device was requested.
        EngineMissing: the compiler is not there or does not accept the file, or the library cannot be loaded.
        ArtifactError: the file needs too much memory.
    """

    device = "cpu"

    def __init__(self, source: Source, compiler: str, flags: Sequence[str], device: str = "cpu") -> None:
        if device != "cpu":
            raise DeviceUnavailable(f"{device} was requested; C files run on the CPU.")
        self._spec, self._bytes = source.spec, found_bytes(source.program)
        if self._bytes > _MOST_BYTES:
            raise ArtifactError(f"Its scratch memory has {self._bytes:,} bytes; lenetx runs up to {_MOST_BYTES:,}.")
        built = library(source, compiler, flags)
        self._call = built.lenetx_run
        self._call.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
        self._memory = threading.local()

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return float32[N, K] logits for float32[N, C, H, W].

        Raises:
            ArtifactError: the batch has another shape, or holds NaN or infinity.
        """
        import numpy as np

        require_batch(batch, self._spec.input_shape)
        inputs = np.ascontiguousarray(batch, np.float32)
        logits = np.empty((len(batch), len(self._spec.labels)), np.float32)
        if not hasattr(self._memory, "own"):
            self._memory.own = ctypes.create_string_buffer(self._bytes + 64)
        if wrong := self._call(inputs.ctypes.data, logits.ctypes.data, len(batch), self._memory.own):
            raise ArtifactError(f"The C file returned error {wrong} on {batch.shape}.")
        return logits


def require_batch(batch: "NDArray[np.float32]", shape: tuple[int, ...]) -> None:
    """Check the shape of a batch.

    Raises:
        ArtifactError: it is another.
    """
    if batch.shape[1:] != shape:
        raise ArtifactError(f"The C file takes float32{['N', *shape]}, not {[*batch.shape]}.".replace("'", ""))


class SanitizedBackend:
    """Run a C file in a process of its own, under AddressSanitizer and UndefinedBehaviorSanitizer.

    Args and errors are those of ``CompiledBackend``.
    """

    device = "cpu"

    def __init__(self, source: Source, compiler: str) -> None:
        self._spec, (channels, height, width) = source.spec, source.spec.input_shape
        self._at_once = max(1, min(_AT_ONCE, _PIPE // (4 * len(source.spec.labels))))
        words = {
            "HEADER": source.stem,
            "NAME": source.name,
            "INPUTS": channels * height * width,
            "OUTPUTS": len(source.spec.labels),
            "SCRATCH": found_bytes(source.program),
        }
        pipe = subprocess.PIPE
        with ExitStack() as stack:
            place = stack.enter_context(temporary_folder())
            built = _program(place, source, compiler, words)
            self._told = stack.enter_context((place / "told").open("wb+"))
            self._process = subprocess.Popen([str(built)], stdin=pipe, stdout=pipe, stderr=self._told)  # noqa: S603  # built here
            weakref.finalize(self, _end, self._process, stack.pop_all())

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return float32[N, K] logits for float32[N, C, H, W].

        Raises:
            ArtifactError: a sanitizer stopped the program, or the batch has another shape.
        """
        import numpy as np

        require_batch(batch, self._spec.input_shape)
        logits = np.empty((len(batch), len(self._spec.labels)), np.float32)
        for start in range(0, len(batch), self._at_once):
            part = np.ascontiguousarray(batch[start : start + self._at_once], np.float32)
            logits[start : start + self._at_once] = self._answered(part)
        return logits

    def _answered(self, part: "NDArray[np.float32]") -> "NDArray[np.float32]":
        import numpy as np

        given, made, width = self._process.stdin, self._process.stdout, len(self._spec.labels)
        assert given is not None
        assert made is not None
        with contextlib.suppress(BrokenPipeError):
            given.write(part.tobytes())
            given.flush()
        data = made.read(4 * len(part) * width)
        if len(data) == 4 * len(part) * width:
            return np.frombuffer(data, np.float32).reshape(len(part), width)
        status = self._process.wait()
        self._told.seek(0)
        told = " ".join(self._told.read().decode(errors="replace").split())[:_LONGEST]
        raise ArtifactError(f"It stopped with status {status}: {told or 'it returned an error'}")


def _program(place: Path, source: Source, compiler: str, words: Mapping[str, object]) -> Path:
    """Build the program in a folder, with the words of ``_MAIN``."""
    main = _MAIN
    for name, word in words.items():
        main = main.replace(f"@{name}@", str(word))
    write_sources(place, source)
    (place / MAIN).write_text(main, encoding="ascii")
    return build(place, compiler, SANITIZERS, (f"{source.stem}.c", MAIN), "network")


def _end(process: "subprocess.Popen[bytes]", files: ExitStack) -> None:
    """End a program, and remove what it was built from."""
    process.kill()
    process.communicate()
    files.close()
