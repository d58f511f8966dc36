"""Open onnxruntime sessions on the requested execution providers and no others."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from .errors import ArtifactError, DeviceUnavailable, EngineMissing

__all__ = [
    "CPU",
    "CUDA",
    "WITH_CUDA",
    "Provider",
    "execution_providers",
    "import_engine",
    "one_line",
    "open_session",
]

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

Provider: TypeAlias = str | tuple[str, Mapping[str, str]]
"""An execution provider: onnxruntime's name for it, or a pair of name and settings."""

_FROM_MODEL = "ORT_LOAD_CONFIG_FROM_MODEL"
"""Environment variable: if it is 1, the model's own settings replace ours."""
_opening = threading.Lock()
_preloading, _preloaded = threading.Lock(), list[object]()
_NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
WITH_CUDA = 'pip install "onnxruntime-gpu[cuda,cudnn]"'
"""The extras install CUDA's libraries, which ``preload_dlls`` finds."""
_MISSING_ENGINE = (
    "No inference engine is installed: run 'pip install onnxruntime' for CPU or "
    f"'{WITH_CUDA}' for CUDA (one of them, never both)."
)
_REINSTALL = (
    f"Run 'pip uninstall -y onnxruntime onnxruntime-gpu' and then '{WITH_CUDA}' for CUDA "
    "or 'pip install onnxruntime' for CPU alone."
)
_NO_CUDA = f"Where there is an NVIDIA GPU, run 'pip uninstall -y onnxruntime' and then '{WITH_CUDA}'."


def execution_providers() -> tuple[str, ...]:
    """Return the names of this onnxruntime's execution providers; some of them may be unable to run a model.

    Raises:
        EngineMissing: onnxruntime is not installed.
    """
    return tuple(import_engine().get_available_providers())


def import_engine() -> Any:
    """Import and return onnxruntime.

    Raises:
        EngineMissing: it is not installed, or broken.
    """
    _import_numpy()
    try:
        with _unobserved():
            import onnxruntime
    except ImportError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # while its compiled module loaded
            raise KeyboardInterrupt from None
        if error.name == "onnxruntime":
            raise EngineMissing(_MISSING_ENGINE) from None
        raise EngineMissing(f"onnxruntime is installed but cannot be imported: {error}. {_REINSTALL}") from None
    except Exception as error:  # a broken one may raise anything
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise EngineMissing(f"onnxruntime is installed but cannot be imported: {reason}. {_REINSTALL}") from None
    if not hasattr(onnxruntime, "InferenceSession"):
        raise EngineMissing(f"onnxruntime is there but incomplete, as after removing one of two. {_REINSTALL}")
    return onnxruntime


def _import_numpy() -> None:
    """Import numpy first: in onnxruntime's compiled module an interrupt becomes an ImportError."""
    with contextlib.suppress(ImportError):  # onnxruntime reports it
        import numpy  # noqa: F401


@contextlib.contextmanager
def _unobserved() -> Iterator[None]:
    """Keep onnxruntime from sending telemetry and storing a device ID in the user's home.

    From 1.29 it does both unless this variable is set at its first import (onnxruntime#27379). A value that is already
    set is kept, and after an earlier import the variable has no effect.
    """
    if _NO_TELEMETRY in os.environ or "onnxruntime" in sys.modules:
        yield
        return
    os.environ[_NO_TELEMETRY] = "1"
    try:
        yield
    finally:
        os.environ.pop(_NO_TELEMETRY, None)


def open_session(
    ort: Any, model: bytes, options: Any, providers: Sequence[tuple[str, Mapping[str, str]]], memory: int = 0
) -> Any:
    """Open a model on these execution providers and no others.

    onnxruntime falls back to the CPU with only a warning (onnxruntime#23372), and runs there what another provider
    cannot; here both are errors. What the session reports afterwards is checked.

    Args:
        ort: onnxruntime.
        model: bytes of the file.
        options: a ``SessionOptions``, which is changed.
        providers: names and settings, at least one; an operator runs on the first that supports it, on the CPU only
            if that is listed.
        memory: maximum bytes of tensors on the CPU; 0 for no limit.

    Raises:
        DeviceUnavailable: a provider is not available, or they cannot run the whole model.
        ArtifactError: the CPU cannot open the model.
    """
    names = [name for name, _ in providers]
    shown = " and ".join("CUDA" if name == CUDA else name for name in names)
    for name in names:
        _require_available(ort, name)
    _prepare(ort, options, names)
    given = [(name, dict(settings)) for name, settings in providers]
    try:
        with _session_settings(ort, options, memory):
            session = ort.InferenceSession(model, options, providers=given, enable_fallback=0)
    except Exception as error:  # onnxruntime has no base error
        if names == [CPU]:
            raise ArtifactError(f"onnxruntime cannot open the model: {one_line(error)}") from None
        raise DeviceUnavailable(f"{shown} was requested and cannot run the model: {one_line(error)}") from None
    session.disable_fallback()
    if session.get_providers()[: len(names)] != names:
        raise DeviceUnavailable(f"{shown} was requested, but onnxruntime chose {', '.join(session.get_providers())}.")
    for name, settings in given:
        used = session.get_provider_options()[name] if name == CUDA else settings
        if wrong := {key: used.get(key) for key, value in settings.items() if used.get(key) != value}:
            raise DeviceUnavailable(f"CUDA was requested with {settings}, but onnxruntime took {wrong}.")
    return session


@contextlib.contextmanager
def _session_settings(ort: Any, options: Any, memory: int) -> Iterator[None]:
    """Hide ``_FROM_MODEL`` and limit the memory while a session opens."""
    with _opening:
        value = os.environ.pop(_FROM_MODEL, None)
        with contextlib.suppress(Exception):  # old versions set it only once: later models have no limit
            _share(ort, memory)
            options.add_session_config_entry("session.use_env_allocators", "1")
        try:
            yield
        finally:
            with contextlib.suppress(Exception):
                _share(ort, 0)  # the session keeps its limit
            if value is not None:
                os.environ[_FROM_MODEL] = value


def _share(ort: Any, memory: int) -> None:
    """Limit the memory of the next sessions, in bytes; 0 for no limit."""
    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(place, ort.OrtArenaCfg({"max_mem": memory}))


def one_line(error: Exception) -> str:
    """Return an error's text in one line."""
    return " ".join(str(error).split())


def _require_available(ort: Any, provider: str) -> None:
    available = ort.get_available_providers()
    if provider not in available:
        name = "CUDA" if provider == CUDA else provider
        remedy = _NO_CUDA if provider == CUDA else f"It has {', '.join(available)}."
        raise DeviceUnavailable(f"{name} was requested, but this onnxruntime has no {name}. {remedy}")


def _prepare(ort: Any, options: Any, names: Sequence[str]) -> None:
    if names == [CPU]:
        return
    _preload(ort)
    if CPU not in names:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")


def _preload(ort: Any) -> None:
    """Load the libraries installed by pip, once."""
    with _preloading:
        if hasattr(ort, "preload_dlls") and ort not in _preloaded:
            with contextlib.redirect_stdout(sys.stderr):  # it prints; stdout may be JSON
                ort.preload_dlls()
            _preloaded.append(ort)
