"""Run C files: compiled into this process, or in a process of its own under sanitizers."""

import ctypes
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lenetx_runtime import ArtifactError, DeviceUnavailable

from .compile import build, library, write_sources
from .source import Source, found_bytes, header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SANITIZERS", "CompiledBackend", "SanitizedBackend"]

SANITIZERS = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_MAIN = """\
#include "@NAME@.h"
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
        EngineMissing: the compiler is not there.
        ArtifactError: it does not accept the file.
    """

    device = "cpu"

    def __init__(self, source: Source, compiler: str, flags: Sequence[str], device: str = "cpu") -> None:
        if device != "cpu":
            raise DeviceUnavailable(f"{device} was requested; C files run on the CPU.")
        self._spec, self._bytes = source.spec, found_bytes(source.program)
        built = library(source.text, header(source), source.name, source.spec, compiler, flags)
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
        self._spec, place = source.spec, Path(tempfile.mkdtemp(prefix="lenetx-"))
        weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        channels, height, width = source.spec.input_shape
        write_sources(place, source.text, header(source), source.name, source.spec)
        main = _MAIN.replace("@NAME@", source.name).replace("@INPUTS@", str(channels * height * width))
        main = main.replace("@OUTPUTS@", str(len(source.spec.labels)))
        (place / "main.c").write_text(main.replace("@SCRATCH@", str(found_bytes(source.program))))
        self._built = build(place, compiler, SANITIZERS, (f"{source.name}.c", "main.c"), "network")

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return float32[N, K] logits for float32[N, C, H, W].

        Raises:
            ArtifactError: a sanitizer stopped the program, or the batch has another shape.
        """
        import numpy as np

        require_batch(batch, self._spec.input_shape)
        data = np.ascontiguousarray(batch, np.float32).tobytes()
        done = subprocess.run([str(self._built)], input=data, capture_output=True, check=False)  # noqa: S603  # built here
        if done.returncode:
            told = " ".join(done.stderr.decode(errors="replace").split())[:300]
            raise ArtifactError(f"It stopped with status {done.returncode}: {told or 'it returned an error'}")
        return np.frombuffer(done.stdout, np.float32).reshape(len(batch), len(self._spec.labels)).copy()
