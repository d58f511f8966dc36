"""onnxruntime as a backend: the device that was asked for, or an error."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .device import cuda_index
from .errors import ArtifactError, DeviceUnavailable, EngineMissing, InputError
from .spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["OrtBackend"]

_FATAL = 4
_MOST_THREADS = 1024
"""Each is a real thread with a stack of its own."""
_NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
_MISSING_ENGINE = (
    "No inference engine is installed: run 'pip install onnxruntime' for CPU or "
    "'pip install onnxruntime-gpu' for CUDA (one of them, never both)."
)

_REINSTALL = (
    "Run 'pip uninstall -y onnxruntime onnxruntime-gpu' and then 'pip install onnxruntime-gpu' for CUDA "
    "or 'pip install onnxruntime' for CPU alone."
)


class OrtBackend:
    """Runs a sealed ONNX model with onnxruntime.

    Args:
        model: bytes of the file.
        spec: its spec, already checked against the bytes.
        device: ``cpu``, ``cuda`` or ``cuda:N``; never replaced by another one.
        threads: intra-op threads; all CPUs that this process may use when ``None``.

    Raises:
        EngineMissing: onnxruntime is not installed.
        DeviceUnavailable: CUDA was asked for and cannot run the whole model.
        ArtifactError: onnxruntime cannot open the model.
        InputError: no such device name or a thread count outside 1 to 1,024.
    """

    def __init__(self, model: bytes, spec: ModelSpec, *, device: str = "cpu", threads: int | None = None) -> None:
        cuda = cuda_index(device)
        if threads is not None and not 1 <= threads <= _MOST_THREADS:
            raise InputError(f"threads is {threads}; it must be 1 to {_MOST_THREADS}.")
        ort = _import_engine()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or available_cpus()
        options.log_severity_level = _FATAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if cuda is None:
            self._session = _open_cpu(ort, model, options)
            self.device = "cpu"
        else:
            self._session = _open_cuda(ort, model, options, cuda)
            self.device = f"cuda:{cuda}"
        _require_same_contract(self._session, spec)
        self._outputs, self._input = [spec.output_name], spec.input_name

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Take float32[N, C, H, W] and give float32[N, K] logits.

        Raises:
            ArtifactError: onnxruntime cannot run the model on this batch.
        """
        try:
            logits: NDArray[np.float32] = self._session.run(self._outputs, {self._input: batch})[0]
        except Exception as error:  # onnxruntime's errors have no common base but Exception
            raise ArtifactError(f"onnxruntime cannot run the model on {batch.shape}: {_one_line(error)}") from None
        return logits


def available_cpus() -> int:
    """Count the CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _import_engine() -> Any:
    try:
        with _unobserved():
            import onnxruntime
    except ImportError as error:
        if error.name == "onnxruntime":
            raise EngineMissing(_MISSING_ENGINE) from None
        raise EngineMissing(f"onnxruntime is installed but cannot be imported: {error}.") from None
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


def _open_cpu(ort: Any, model: bytes, options: Any) -> Any:
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base but Exception
        raise ArtifactError(f"onnxruntime cannot open the model: {_one_line(error)}") from None


def _open_cuda(ort: Any, model: bytes, options: Any, index: int) -> Any:
    """Open on CUDA alone: onnxruntime falls back to CPU with no more than a warning (onnxruntime#23372)."""
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        raise DeviceUnavailable(f"CUDA was asked for, but this onnxruntime has no CUDA. {_REINSTALL}")
    if hasattr(ort, "preload_dlls"):
        with contextlib.redirect_stdout(sys.stderr):  # it prints what it does not find, and stdout may carry JSON
            ort.preload_dlls()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    provider = {"device_id": str(index), "use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"}
    try:
        session = ort.InferenceSession(
            model, options, providers=[("CUDAExecutionProvider", provider)], enable_fallback=0
        )
    except Exception as error:  # onnxruntime's errors have no common base but Exception
        raise DeviceUnavailable(f"CUDA was asked for and cannot run the model: {_one_line(error)}") from None
    session.disable_fallback()
    if session.get_providers()[0] != "CUDAExecutionProvider":
        raise DeviceUnavailable(f"CUDA was asked for, but onnxruntime chose {session.get_providers()[0]}.")
    used = session.get_provider_options()["CUDAExecutionProvider"]
    if wrong := {name: used.get(name) for name, value in provider.items() if used.get(name) != value}:
        raise DeviceUnavailable(f"CUDA was asked for with {provider}, but onnxruntime took {wrong}.")
    return session


def _require_same_contract(session: Any, spec: ModelSpec) -> None:
    """Compare names and shapes, but for the batch axis, with what the spec says."""
    wanted = [(spec.input_name, list(spec.input_shape)), (spec.output_name, [len(spec.labels)])]
    found = [(value.name, value.shape[1:]) for value in (*session.get_inputs(), *session.get_outputs())]
    if found != wanted:
        raise ArtifactError(f"Its spec says {wanted}, its graph has {found}.")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
