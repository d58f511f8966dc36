"""Run a network that was compiled to a shared library. Loading it runs its code: the caller must be asked first."""

import ctypes
import itertools
import os
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ArtifactError, DeviceUnavailable
from .native_file import LEVELS, read_record
from .spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["NativeBackend", "cpu_levels", "machine"]

_FLAGS = (
    "",
    "cx16 lahf_lm pni popcnt sse4_1 sse4_2 ssse3",
    "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave",
    "avx512bw avx512cd avx512dq avx512f avx512vl",
)
"""The flags in /proc/cpuinfo that each level of x86-64 adds. Source: its psABI, "Micro-architecture levels"."""
_ALIGNMENT = 64


def machine() -> str:
    """Return the name of this machine's instruction set, or of its system if that is not Linux."""
    return os.uname().machine if sys.platform == "linux" else sys.platform


def cpu_levels() -> tuple[str, ...]:
    """Return the levels of ``LEVELS`` that this processor has, the highest last; none on an unknown one."""
    levels = LEVELS.get(machine(), ())
    if machine() != "x86_64":
        return levels
    has = _cpu_flags()
    pairs = zip(levels, _FLAGS, strict=True)
    return tuple(level for level, _ in itertools.takewhile(lambda each: has >= {*each[1].split()}, pairs))


def _cpu_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text("ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())


def _require_processor(made_for: str, march: str) -> None:
    """Check, before a library is loaded, that this processor has its instructions: a missing one ends the process.

    Raises:
        DeviceUnavailable: it does not.
    """
    if made_for != machine():
        raise DeviceUnavailable(
            f"The library was compiled for Linux on {made_for}; this is {machine()}. Export it again here."
        )
    has = cpu_levels()
    if march not in has:
        raise DeviceUnavailable(
            f"The library was compiled for {march} and would end the process: this processor is {has[-1]}. "
            f"Export it with '--march {has[-1]}'."
        )


class NativeBackend:
    """Run the network of a library, which is loaded into this process. Any number of threads may share it.

    Args:
        model: bytes of the file, whose code is trusted.
        spec: its spec, already checked against the bytes.
        device: ``cpu``; there is no other.

    Raises:
        DeviceUnavailable: another device was requested, or this processor cannot run it.
        ArtifactError: the file is not a library that this system can load.
    """

    device = "cpu"

    def __init__(self, model: bytes, spec: ModelSpec, device: str = "cpu") -> None:
        import numpy as np

        if device != "cpu":
            raise DeviceUnavailable(f"{device} was requested; native libraries run on the CPU.")
        record = read_record(model)
        _require_processor(record["machine"], record["march"])
        library = _load(model)
        weakref.finalize(self, _unload, library._handle).atexit = False
        try:
            self._call = library.lenetx_run
        except AttributeError:
            raise ArtifactError("It is a library without the function lenetx_run.") from None
        self._call.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
        self._scratch, self._memory = record["scratch"], threading.local()
        self._shape, self._classes = spec.input_shape, len(spec.labels)
        self._contiguous, self._empty, self._dtype = np.ascontiguousarray, np.empty, np.float32

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return float32[N, K] logits for float32[N, C, H, W].

        Raises:
            ArtifactError: the batch has another shape, or holds NaN or infinity.
        """
        if batch.shape[1:] != self._shape:
            raise ArtifactError(f"The library takes float32[N, {str([*self._shape])[1:]}, not {[*batch.shape]}.")
        inputs, count = self._contiguous(batch, self._dtype), len(batch)
        logits = self._empty((count, self._classes), self._dtype)
        wrong = self._call(_address(inputs), _address(logits), count, self._own_scratch())
        if wrong:
            raise ArtifactError(f"The library returned error {wrong} on {batch.shape}.")
        return logits

    def _own_scratch(self) -> int:
        """Return the address of this thread's scratch memory."""
        memory = self._memory
        try:
            return memory.address  # type: ignore[no-any-return]  # of a threading.local
        except AttributeError:
            memory.buffer = ctypes.create_string_buffer(self._scratch + _ALIGNMENT)
            memory.address = -(-ctypes.addressof(memory.buffer) // _ALIGNMENT) * _ALIGNMENT
            return memory.address  # type: ignore[no-any-return]


def _address(array: "NDArray[Any]") -> int:
    """Return where a contiguous array begins; this way is faster than ``array.ctypes.data``."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]  # it has a buffer
    except (TypeError, ValueError):  # it is read-only, or empty
        return int(array.ctypes.data)


def _load(data: bytes) -> ctypes.CDLL:
    """Load a library from a private copy: nobody can replace it between its check and this."""
    try:
        with tempfile.TemporaryDirectory(prefix="lenetx-") as folder:
            path = Path(folder, "network.so")
            path.write_bytes(data)
            return ctypes.CDLL(str(path))
    except OSError as error:
        raise ArtifactError(
            f"The system cannot load the library: {error}. Where the folder for temporary files is full, or its files "
            "may not be executed, set TMPDIR to another."
        ) from None


def _unload(handle: int) -> None:
    import _ctypes

    _ctypes.dlclose(handle)
