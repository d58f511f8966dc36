"""Import what predictions need, and open a real session on every execution provider."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from ..cpus import available_cpus
from ..device import DEFAULT_CUDA
from ..errors import EngineMissing
from ..ort_session import CPU, CUDA, import_engine, one_line, open_session
from ..run_selftest import REMOTE
from .trials import Step

__all__ = ["DRIVER", "PROBE", "missing_libraries", "problem_of", "steps"]

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
"""The library that is installed with NVIDIA's driver, never by pip."""

PROBE = (
    b'\x08\x08:o\n\x0f\n\x01x\n\x01w\x12\x01y"\x04Conv\x12\x01g'  # IR version 8, y = Conv(x, w), the graph g
    b"*\x1f\x08\x01\x08\x01\x08\x02\x08\x02\x10\x01B\x01wJ\x10"  # w, float[1, 1, 2, 2]:
    b"\x00\x00\x80?\x00\x00\x00@\x00\x00@@\x00\x00\x80@"  # 1, 2, 3, 4
    b"Z\x1b\n\x01x\x12\x16\n\x14\x08\x01\x12\x10\n\x02\x08\x01\n\x02\x08\x01\n\x02\x08\x03\n\x02\x08\x03"  # x: 3 × 3
    b"b\x1b\n\x01y\x12\x16\n\x14\x08\x01\x12\x10\n\x02\x08\x01\n\x02\x08\x01\n\x02\x08\x02\n\x02\x08\x02"  # y: 2 × 2
    b"B\x04\n\x00\x10\r"  # opset 13
)
"""A convolution, for which CUDA needs cuDNN. Its numbers are exact in float16 and TF32 too."""

_RIGHT = [37.0, 47.0, 67.0, 77.0]
"""``PROBE``'s output for 1 to 9."""
_FATAL = 4


def steps() -> Iterator[Step]:
    """Try everything; what depends on something else comes after it."""
    for package, module in (("numpy", "numpy"), ("pillow", "PIL.Image")):
        yield package, None
        yield package, problem_of(partial(import_module, module))
    yield "onnxruntime", None
    try:
        ort = import_engine()
        providers = ort.get_available_providers()
    except EngineMissing as error:
        yield "onnxruntime", {"problem": str(error)}
        return
    except Exception as error:  # a broken package may raise anything
        yield "onnxruntime", {"died": _words(error)}
        return
    yield "onnxruntime", {"version": str(getattr(ort, "__version__", "unknown"))}
    if CUDA not in providers and _cuda_library(ort).is_file():  # onnxruntime drops what it could not load
        providers = [*providers, CUDA]
    for name in sorted(providers, key=lambda each: each != CPU):  # the CPU first: others may crash
        yield name, None
        yield name, _tried(ort, name)


def problem_of(load: Callable[[], object]) -> dict[str, Any]:
    """Import something; return its problem, or nothing."""
    try:
        load()
    except Exception as error:  # a broken package may raise anything
        return {"problem": _words(error)}
    return {}


def _tried(ort: Any, provider: str) -> dict[str, Any]:
    if provider in REMOTE:
        return {"status": "not_applicable", "detail": REMOTE[provider]}
    try:
        found = _computed(ort, provider)
    except Exception as error:  # a broken package may raise anything
        return {
            "status": "failed",
            "detail": one_line(error),
            "missing": missing_libraries(ort) if provider == CUDA else [],
        }
    if found != _RIGHT:
        return {"status": "failed", "detail": f"It computed {found} where {_RIGHT} is right."}
    return {"status": "works"}


def _computed(ort: Any, provider: str) -> list[float]:
    import numpy as np

    options = ort.SessionOptions()
    options.intra_op_num_threads = available_cpus()
    options.log_severity_level = _FATAL
    settings = DEFAULT_CUDA.settings(0) if provider == CUDA else {}
    session = open_session(ort, PROBE, options, [(provider, settings)])
    image = np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
    numbers: list[float] = session.run(["y"], {"x": image})[0].ravel().tolist()
    return numbers


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error)}".rstrip(".: ")


def missing_libraries(ort: Any) -> list[str]:
    """Return the CUDA, cuDNN and driver libraries that cannot be loaded, broken ones with the loader's reason."""
    try:  # private: other versions may lack it
        names = [path[-1] for path in ort._get_nvidia_dll_paths(sys.platform == "win32")]
    except Exception:
        names = [str(_cuda_library(ort))]  # the loader names the first missing one
    return sorted(filter(None, {*map(_missing, (*names, DRIVER))}))


def _cuda_library(ort: Any) -> Path:
    name = "onnxruntime_providers_cuda.dll" if sys.platform == "win32" else "libonnxruntime_providers_cuda.so"
    return Path(ort.__file__).parent / "capi" / name


def _missing(name: str) -> str:
    """Return the name of the missing library, this one or one that it needs, or an empty string."""
    import ctypes

    try:
        ctypes.CDLL(name)
    except OSError as error:
        culprit, _, reason = str(error).partition(": ")
        if not reason or "No such file" in reason:
            return culprit if reason else name
        return f"{Path(culprit).name} ({reason})"
    return ""
