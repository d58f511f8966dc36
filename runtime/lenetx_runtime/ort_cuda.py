"""onnxruntime on CUDA: buffers that are bound, and graphs of CUDA for batch sizes that come again.

No run on a GPU has shown this yet (docs/gpu.md says what has been seen); its tests use a made-up engine.
"""

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CudaRun"]

_GRAPH_ID = "gpu_graph_id"
_NO_GRAPH = "-1"
_OFTEN, _MOST_GRAPHS = 3, 8
"""Calls of a batch size until it gets a graph of its own, and how many sizes may have one: each keeps its buffers."""
_RUNS_TO_CAPTURE = 3
"""onnxruntime runs a graph plainly before it captures it, and then replays it."""


class CudaRun:
    """Runs a session that is on CUDA alone, for any number of threads.

    Args:
        ort: the module ``onnxruntime``.
        session: on CUDA.
        names: of the input and of the output.
        classes: K of the logits.
        index: of the device.
        graphs: the session was opened with ``enable_cuda_graph``.
    """

    def __init__(
        self, ort: Any, session: Any, names: tuple[str, str], classes: int, index: int, *, graphs: bool
    ) -> None:
        self._ort, self._session = ort, session
        self._names = names
        self._classes, self._index = classes, index
        self._graphs: dict[int, _Graph] = {}
        self._asked: Counter[int] = Counter()
        self._one_at_a_time = threading.Lock()  # onnxruntime allows no other run of a session with graphs
        self._plain = self._options(_NO_GRAPH) if graphs else None

    def __call__(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Take float32[N, C, H, W] on the host and give float32[N, K] there."""
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
        """Run with an input that goes straight to the device and an output that comes straight back."""
        binding = self._session.io_binding()
        binding.bind_cpu_input(self._names[0], batch)
        binding.bind_output(self._names[1], "cpu")
        self._session.run_with_iobinding(binding, self._plain)
        logits: NDArray[np.float32] = binding.copy_outputs_to_cpu()[0]
        return logits

    def _capture(self, batch: "NDArray[np.float32]", right: "NDArray[np.float32]") -> None:
        """Give a batch size its graph, if there is room and if it computes the same bits as without."""
        options = self._options(str(len(self._graphs) + 1))
        try:
            graph = _Graph(self._session, self._names, *self._buffers(batch), options)
            if all((graph.replay(batch) == right).all() for _ in range(_RUNS_TO_CAPTURE)):
                self._graphs[len(batch)] = graph
        except Exception:  # onnxruntime's errors have no common base but Exception
            return  # this size goes on without one

    def _buffers(self, batch: "NDArray[np.float32]") -> tuple[Any, Any]:
        made = self._ort.OrtValue
        logits = made.ortvalue_from_shape_and_type([len(batch), self._classes], batch.dtype, "cuda", self._index)
        return made.ortvalue_from_numpy(batch, "cuda", self._index), logits

    def _options(self, graph: str) -> Any:
        options = self._ort.RunOptions()
        options.add_run_config_entry(_GRAPH_ID, graph)
        return options


class _Graph:
    """One batch size with buffers of its own on the device: a graph remembers their addresses."""

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
