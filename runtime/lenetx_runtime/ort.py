"""Run models with onnxruntime, on the requested device or not at all."""

import math
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .cpus import available_cpus
from .device import DEFAULT_CUDA, MOST_THREADS, CudaOptions, cuda_index
from .errors import ArtifactError, InputError
from .layout import arrange, axes_of, is_row
from .ort_session import CPU, CUDA, Provider, execution_providers, import_engine, one_line, open_session
from .spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CudaRun", "OrtBackend", "execution_providers", "memory_for"]

_FATAL = 4
_LEAST, _MOST = 3 * 2**28, 2**34
"""Memory in bytes besides the weights: any model may take 768 MiB, none more than 16 GiB."""
_GRAPH_ID = "gpu_graph_id"
_NO_GRAPH = "-1"
_OFTEN, _MOST_GRAPHS = 3, 8
"""Number of calls before a batch size gets a graph, and maximum number of graphs: each keeps its buffers."""
_RUNS_TO_CAPTURE = 3
"""onnxruntime runs normally first, then captures, then replays."""


class OrtBackend:
    """Run a sealed ONNX or ORT model with onnxruntime.

    Args:
        model: bytes of the file.
        spec: its spec, already checked against the bytes.
        device, threads, providers, cuda: as for ``Classifier``, but without ``auto``; ``threads`` are intra-op threads.
        optimised: let onnxruntime rewrite the graph before it runs.

    Attributes:
        device: where the model actually runs: ``cpu``, ``cuda:N``, or the names of providers, joined by "or".
        provider: the first requested execution provider.

    Raises:
        EngineMissing: onnxruntime is not installed.
        DeviceUnavailable: the requested device is not available or cannot run the whole model.
        ArtifactError: onnxruntime cannot open the model, or its graph differs from its spec.
        InputError: unknown device, a device and providers, no provider, or a thread count outside 1 to 1,024.
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
        if threads is not None and not 1 <= threads <= MOST_THREADS:
            raise InputError(f"threads is {threads}; it must be 1 to {MOST_THREADS}.")
        if providers is not None and index is not None:
            raise InputError(f"Give the device {device} or providers, not both.")
        if providers is not None and not providers:
            raise InputError("Name at least one execution provider.")
        if providers is None:
            providers = [CPU] if index is None else [(CUDA, {"device_id": str(index)})]
        asked = [_with_settings(each, cuda) for each in providers]
        ort = import_engine()
        self._session = open_session(ort, model, _options(ort, threads, optimised), asked, memory_for(model, spec))
        self.provider, settings = asked[0]
        on_cuda = int(settings.get("device_id", "0"))
        self.device = {CPU: "cpu", CUDA: f"cuda:{on_cuda}"}.get(self.provider, self.provider)
        if len(asked) > 1:
            self.device = " or ".join(name for name, _ in asked)
        _require_same_contract(self._session, spec)
        # The wrapper's checks for fallbacks and missing inputs are not needed here, and take 5 % of LeNet's time.
        self._run = getattr(self._session, "_sess", self._session).run
        self._outputs, self._input = [spec.output_name], spec.input_name
        self._arrange = arrange(spec.layout)
        self._spare_axes = len(self._session.get_outputs()[0].shape) != 2
        self._on_cuda: CudaRun | None = None
        if [name for name, _ in asked] == [CUDA]:
            names = spec.input_name, spec.output_name
            self._on_cuda = CudaRun(ort, self._session, names, len(spec.labels), on_cuda, graphs=cuda.graphs)

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return float32[N, K] logits for float32[N, C, H, W].

        Raises:
            ArtifactError: onnxruntime cannot run the model on this batch.
        """
        try:
            if self._arrange is not None:
                batch = self._arrange(batch)
            logits: NDArray[np.float32]
            if self._on_cuda is not None:
                logits = self._on_cuda(batch)
            else:
                logits = self._run(self._outputs, {self._input: batch}, None)[0]
            if self._spare_axes:
                logits = logits.reshape(len(batch), math.prod(logits.shape[1:]))
        except Exception as error:  # onnxruntime has no base error
            raise ArtifactError(f"onnxruntime cannot run the model on {batch.shape}: {one_line(error)}") from None
        return logits


def memory_for(model: bytes, spec: ModelSpec) -> int:
    """Return the maximum bytes of a session's tensors: 128 float32 per input value, bounded, plus 6 times the file."""
    batch = 1 if spec.batch == "dynamic" else spec.batch
    return 6 * len(model) + max(_LEAST, min(512 * batch * math.prod(spec.input_shape), _MOST))


def _with_settings(provider: Provider, cuda: CudaOptions) -> tuple[str, Mapping[str, str]]:
    name, settings = (provider, {}) if isinstance(provider, str) else provider
    if name == CUDA and "enable_cuda_graph" in settings:
        raise InputError("CUDA graphs are requested with CudaOptions(graphs=True), not with enable_cuda_graph.")
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
    classes = len(spec.labels)
    wanted = [(spec.input_name, axes_of(spec.layout, spec.input_shape)), (spec.output_name, [classes])]
    found = [(value.name, value.shape[1:]) for value in (*session.get_inputs(), *session.get_outputs())]
    if found[:-1] != wanted[:-1] or found[-1][0] != spec.output_name or not is_row(found[-1][1], classes):
        raise ArtifactError(f"Its spec says {wanted}, its graph has {found}.")


class CudaRun:
    """Run a session on CUDA alone, with bound buffers and CUDA graphs. Any number of threads may call it.

    Not yet tested on a GPU (docs/gpu.md says what has been); its tests use a fake engine.
    """

    def __init__(
        self, ort: Any, session: Any, names: tuple[str, str], classes: int, index: int, *, graphs: bool
    ) -> None:
        self._ort, self._session = ort, session
        self._names = names
        self._classes, self._index = classes, index
        self._graphs: dict[int, _Graph] = {}
        self._asked: Counter[int] = Counter()
        self._one_at_a_time = threading.Lock()  # onnxruntime forbids concurrent runs with graphs
        self._plain = self._options(_NO_GRAPH) if graphs else None

    def __call__(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return float32[N, K] logits for float32[N, C, H, W], both on the host."""
        size = len(batch)
        if self._plain is None:
            return self._bound(batch)
        with self._one_at_a_time:
            if (graph := self._graphs.get(size)) is not None:
                return graph.replay(batch)
            logits = self._bound(batch)
            self._asked[size] += 1
            if self._asked[size] == _OFTEN and len(self._graphs) < _MOST_GRAPHS:
                self._capture(batch, logits)
            return logits

    def _bound(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        binding = self._session.io_binding()
        binding.bind_cpu_input(self._names[0], batch)
        binding.bind_output(self._names[1], "cpu")
        self._session.run_with_iobinding(binding, self._plain)
        logits: NDArray[np.float32] = binding.copy_outputs_to_cpu()[0]
        return logits

    def _capture(self, batch: "NDArray[np.float32]", right: "NDArray[np.float32]") -> None:
        """Capture a graph for a batch size, if it computes the same bits."""
        options = self._options(str(len(self._graphs) + 1))
        try:
            graph = _Graph(self._session, self._names, *self._buffers(batch), options)
            if all((graph.replay(batch) == right).all() for _ in range(_RUNS_TO_CAPTURE)):
                self._graphs[len(batch)] = graph
        except Exception:  # onnxruntime has no base error
            return

    def _buffers(self, batch: "NDArray[np.float32]") -> tuple[Any, Any]:
        made = self._ort.OrtValue
        logits = made.ortvalue_from_shape_and_type([len(batch), self._classes], batch.dtype, "cuda", self._index)
        return made.ortvalue_from_numpy(batch, "cuda", self._index), logits

    def _options(self, graph: str) -> Any:
        options = self._ort.RunOptions()
        options.add_run_config_entry(_GRAPH_ID, graph)
        return options


class _Graph:
    """Run one batch size in fixed device buffers: a graph keeps their addresses."""

    def __init__(self, session: Any, names: tuple[str, str], given: Any, found: Any, options: Any) -> None:
        self._session, self._options = session, options
        self._given, self._found = given, found
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(names[0], given)
        self._binding.bind_ortvalue_output(names[1], found)

    def replay(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        self._given.update_inplace(batch)
        self._session.run_with_iobinding(self._binding, self._options)
        logits: NDArray[np.float32] = self._found.numpy()
        return logits
