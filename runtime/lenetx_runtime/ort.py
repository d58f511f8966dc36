"""onnxruntime as a backend: the device that was asked for, or an error."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .cpus import available_cpus
from .device import DEFAULT_CUDA, CudaOptions, cuda_index
from .errors import ArtifactError, InputError
from .ort_session import CPU, CUDA, Provider, execution_providers, import_engine, one_line, open_session
from .spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ort_cuda import CudaRun

__all__ = ["OrtBackend", "execution_providers"]

_FATAL = 4
_MOST_THREADS = 1024
"""Each is a real thread with a stack of its own."""


class OrtBackend:
    """Runs a sealed ONNX model with onnxruntime.

    Args:
        model: bytes of the file.
        spec: its spec, already checked against the bytes.
        device: ``cpu``, ``cuda`` or ``cuda:N``; never replaced by another one.
        threads: intra-op threads; all CPUs that this process may use when ``None``.
        providers: execution providers by onnxruntime's names, one of :func:`execution_providers` each, perhaps with
            settings, instead of a device. They run the whole model: onnxruntime may leave no operator to the CPU,
            unless that is named too.
        cuda: how CUDA computes.
        optimised: let onnxruntime rewrite the graph before it runs; else it runs as it stands in the file.

    Attributes:
        device: where the model really runs: ``cpu``, ``cuda:N``, or the name of another execution provider. Of several
            providers, each runs what those before it cannot: all are named, with "or".
        provider: the first execution provider that was asked for.

    Raises:
        EngineMissing: onnxruntime is not installed.
        DeviceUnavailable: what was asked for is not there or cannot run the whole model.
        ArtifactError: onnxruntime cannot open the model.
        InputError: no such device name, a device and providers, no provider, or a thread count outside 1 to 1,024.
    """

    def __init__(
        self,
        model: bytes,
        spec: ModelSpec,
        *,
        device: str = "cpu",
        threads: int | None = None,
        providers: Sequence[Provider] | None = None,
        cuda: CudaOptions = DEFAULT_CUDA,
        optimised: bool = True,
    ) -> None:
        index = cuda_index(device)
        if threads is not None and not 1 <= threads <= _MOST_THREADS:
            raise InputError(f"threads is {threads}; it must be 1 to {_MOST_THREADS}.")
        if providers is not None and index is not None:
            raise InputError(f"Give the device {device} or providers, not both.")
        if providers is not None and not providers:
            raise InputError("Name at least one execution provider.")
        if providers is None:
            providers = [CPU] if index is None else [(CUDA, {"device_id": str(index)})]
        asked = [_with_settings(each, cuda) for each in providers]
        ort = import_engine()
        self._session = open_session(ort, model, _options(ort, threads, optimised), asked)
        self.provider, settings = asked[0]
        on_cuda = int(settings.get("device_id", "0"))
        self.device = {CPU: "cpu", CUDA: f"cuda:{on_cuda}"}.get(self.provider, self.provider)
        if len(asked) > 1:
            self.device = " or ".join(name for name, _ in asked)
        _require_same_contract(self._session, spec)
        # What is around it looks after fallbacks and missing inputs, of which there are none: 5 % of LeNet's time.
        self._run = getattr(self._session, "_sess", self._session).run
        self._outputs, self._input = [spec.output_name], spec.input_name
        self._on_cuda: CudaRun | None = None
        if [name for name, _ in asked] == [CUDA]:
            from . import ort_cuda

            names = spec.input_name, spec.output_name
            self._on_cuda = ort_cuda.CudaRun(ort, self._session, names, len(spec.labels), on_cuda, graphs=cuda.graphs)

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Take float32[N, C, H, W] and give float32[N, K] logits.

        Raises:
            ArtifactError: onnxruntime cannot run the model on this batch.
        """
        try:
            if self._on_cuda is not None:
                return self._on_cuda(batch)
            logits: NDArray[np.float32] = self._run(self._outputs, {self._input: batch}, None)[0]
        except Exception as error:  # onnxruntime's errors have no common base but Exception
            raise ArtifactError(f"onnxruntime cannot run the model on {batch.shape}: {one_line(error)}") from None
        return logits


def _with_settings(provider: Provider, cuda: CudaOptions) -> tuple[str, Mapping[str, str]]:
    name, settings = (provider, {}) if isinstance(provider, str) else provider
    if name == CUDA and "enable_cuda_graph" in settings:
        raise InputError("CUDA graphs are asked for with CudaOptions(graphs=True), not with enable_cuda_graph.")
    return name, {**cuda.settings(0), **settings} if name == CUDA else settings


def _options(ort: Any, threads: int | None, optimised: bool) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or available_cpus()
    options.log_severity_level = _FATAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    return options


def _require_same_contract(session: Any, spec: ModelSpec) -> None:
    """Compare names and shapes, but for the batch axis, with what the spec says."""
    wanted = [(spec.input_name, list(spec.input_shape)), (spec.output_name, [len(spec.labels)])]
    found = [(value.name, value.shape[1:]) for value in (*session.get_inputs(), *session.get_outputs())]
    if found != wanted:
        raise ArtifactError(f"Its spec says {wanted}, its graph has {found}.")
