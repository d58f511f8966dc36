"""Opening onnxruntime's sessions on one execution provider, and on no other."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from .errors import ArtifactError, DeviceUnavailable, EngineMissing

__all__ = ["CPU", "CUDA", "execution_providers", "import_engine", "one_line", "open_session"]

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

_CUDA_SETTINGS = {"use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"}
"""Float32 that is float32, and convolutions that are direct sums."""
_NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
_MISSING_ENGINE = (
    "No inference engine is installed: run 'pip install onnxruntime' for CPU or "
    "'pip install onnxruntime-gpu' for CUDA (one of them, never both)."
)

_REINSTALL = (
    "Run 'pip uninstall -y onnxruntime onnxruntime-gpu' and then 'pip install onnxruntime-gpu' for CUDA "
    "or 'pip install onnxruntime' for CPU alone."
)


def execution_providers() -> tuple[str, ...]:
    """Name the execution providers that this device's onnxruntime has; not each of them can run a model.

    Raises:
        EngineMissing: onnxruntime is not installed.
    """
    return tuple(import_engine().get_available_providers())


def import_engine() -> Any:
    """Import onnxruntime.

    Raises:
        EngineMissing: it is not installed, or broken.
    """
    try:
        with _unobserved():
            import onnxruntime
    except ImportError as error:
        if error.name == "onnxruntime":
            raise EngineMissing(_MISSING_ENGINE) from None
        raise EngineMissing(f"onnxruntime is installed but cannot be imported: {error}. {_REINSTALL}") from None
    if not hasattr(onnxruntime, "InferenceSession"):
        raise EngineMissing(f"onnxruntime is there but incomplete, as after removing one of two. {_REINSTALL}")
    return onnxruntime


@contextlib.contextmanager
def _unobserved() -> Iterator[None]:
    """Keep onnxruntime from sending events and leaving an identity of the device in the home of the user.

    From 1.29 it does both on Linux and macOS unless this variable is set when it is first imported
    (onnxruntime#27379); whoever has set it, to either value, or has imported onnxruntime before us, has decided.
    """
    if _NO_TELEMETRY in os.environ:
        yield
        return
    os.environ[_NO_TELEMETRY] = "1"
    try:
        yield
    finally:
        os.environ.pop(_NO_TELEMETRY, None)


def open_session(ort: Any, model: bytes, options: Any, provider: str, index: int) -> Any:
    """Open a model on one execution provider alone.

    onnxruntime falls back to CPU with no more than a warning (onnxruntime#23372) and leaves to the CPU what another
    provider cannot run; here both are errors. What the session says of itself afterwards is read back.

    Args:
        ort: the module ``onnxruntime``.
        model: bytes of the file.
        options: a ``SessionOptions``, which is changed.
        provider: onnxruntime's name of it.
        index: of the device, for CUDA.

    Raises:
        DeviceUnavailable: the provider is not there or cannot run the whole model.
        ArtifactError: the CPU cannot open the model.
    """
    name = "CUDA" if provider == CUDA else provider
    settings = {"device_id": str(index)} | _CUDA_SETTINGS if provider == CUDA else {}
    _prepare(ort, options, provider, name)
    try:
        session = ort.InferenceSession(model, options, providers=[(provider, settings)], enable_fallback=0)
    except Exception as error:  # onnxruntime's errors have no common base but Exception
        if provider == CPU:
            raise ArtifactError(f"onnxruntime cannot open the model: {one_line(error)}") from None
        raise DeviceUnavailable(f"{name} was asked for and cannot run the model: {one_line(error)}") from None
    session.disable_fallback()
    if session.get_providers()[0] != provider:
        raise DeviceUnavailable(f"{name} was asked for, but onnxruntime chose {session.get_providers()[0]}.")
    used = session.get_provider_options()[provider]
    if wrong := {key: used.get(key) for key, value in settings.items() if used.get(key) != value}:
        raise DeviceUnavailable(f"{name} was asked for with {settings}, but onnxruntime took {wrong}.")
    return session


def one_line(error: Exception) -> str:
    """Give an error's text without its line breaks."""
    return " ".join(str(error).split())


def _prepare(ort: Any, options: Any, provider: str, name: str) -> None:
    """Refuse a provider that is not there; let any but the CPU's leave nothing to the CPU's."""
    available = ort.get_available_providers()
    if provider not in available:
        remedy = _REINSTALL if provider == CUDA else f"It has {', '.join(available)}."
        raise DeviceUnavailable(f"{name} was asked for, but this onnxruntime has no {name}. {remedy}")
    if provider == CPU:
        return
    if hasattr(ort, "preload_dlls"):
        with contextlib.redirect_stdout(sys.stderr):  # it prints what it does not find, and stdout may carry JSON
            ort.preload_dlls()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
