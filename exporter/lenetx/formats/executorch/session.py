"""Run programs with ExecuTorch's runtime on the CPU."""

import contextlib
import importlib.metadata
import os
import sys
import threading
from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, EngineMissing, ModelSpec
from lenetx_runtime.ort_session import one_line

from ..pt2.reopen import alone

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ExecutorchBackend", "import_tools", "kernels", "number_of_threads", "start_threads", "version"]

_REMEDY = "run 'pip install executorch'."


def _import_engine() -> Any:
    """Import and return ``executorch.runtime``; what it logs is silenced.

    Raises:
        EngineMissing: it is not installed, or broken.
    """
    with _importing():
        import executorch.runtime

        return executorch.runtime


def import_tools() -> Any:
    """Import and return the tools that lower a program.

    Raises:
        EngineMissing: they are not installed, or broken.
    """
    with _importing():
        from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import EdgeCompileConfig, ExecutorchBackendConfig, to_edge_transform_and_lower
        from executorch.exir.passes.sym_shape_eval_pass import ConstraintBasedSymShapeEvalPass
    return SimpleNamespace(
        ConfigPrecisionType=ConfigPrecisionType,
        EdgeCompileConfig=EdgeCompileConfig,
        XnnpackPartitioner=XnnpackPartitioner,
        ExecutorchBackendConfig=ExecutorchBackendConfig,
        ConstraintBasedSymShapeEvalPass=ConstraintBasedSymShapeEvalPass,
        to_edge_transform_and_lower=to_edge_transform_and_lower,
    )


@contextlib.contextmanager
def _importing() -> Iterator[None]:
    """Turn a failed import into an EngineMissing."""
    try:
        with alone():
            import executorch  # noqa: F401  # the name that is missing

            yield
    except ModuleNotFoundError as error:
        if error.name != "executorch":
            raise EngineMissing(f"ExecuTorch is installed but lacks {error.name}: {_REMEDY}") from None
        raise EngineMissing(f"ExecuTorch is not installed: {_REMEDY}") from None
    except ImportError as error:
        raise EngineMissing(f"ExecuTorch is installed but cannot be imported: {one_line(error)}. {_REMEDY}") from None


def version() -> str:
    """Return the version of ExecuTorch.

    Raises:
        EngineMissing: it is not installed, or broken.
    """
    _import_engine()
    return importlib.metadata.version("executorch")


@cache
def kernels() -> frozenset[str]:
    """Return the names of the operators for which the runtime has a kernel."""
    return frozenset(_import_engine().Runtime.get().operator_registry.operator_names)


@cache
def number_of_threads() -> int:
    """Return the number of threads that ExecuTorch has started."""
    count: int = _library()._threadpool_get_thread_count()
    return count


def start_threads(count: int | None) -> None:
    """Have ExecuTorch compute with so many threads, in a process that has loaded no program yet.

    Raises:
        EngineMissing: it is not installed, or broken.
    """
    library = _library()
    if count is not None:
        with _without_stderr():
            library._unsafe_reset_threadpool(count)  # a loaded program would go on with the threads that it found
        number_of_threads.cache_clear()


@cache
def _library() -> Any:
    """Return the native library, which has looked at the processor."""
    _import_engine()
    from executorch.extension.pybindings import portable_lib

    with _without_stderr():
        portable_lib._threadpool_get_thread_count()
    return portable_lib


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    """Silence what native code prints while it looks at the processor."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # a program without a console
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nothing)
        os.close(kept)


class ExecutorchBackend:
    """Run a lowered program on the CPU.

    Args:
        program: its bytes, which lenetx lowered, or the path of a file that begins with them.
        spec: states the input and the batch sizes.

    Raises:
        EngineMissing: ExecuTorch is not installed.
        ArtifactError: it cannot load the program.
    """

    device = "cpu"

    def __init__(self, program: Any, spec: ModelSpec) -> None:
        engine = _import_engine()
        _library()
        self._spec, self._lock = spec, threading.Lock()  # a method serves one thread at a time
        try:
            self._program = engine.Runtime.get().load_program(program)
            self._method = self._program.load_method("forward")
        except Exception as error:  # executorch raises several classes
            raise ArtifactError(f"ExecuTorch cannot load the program: {one_line(error)}") from None

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return float32[N, K] logits for float32[N, C, H, W]; more images than fit a call are split.

        Raises:
            ArtifactError: ExecuTorch cannot run the program on this batch.
        """
        logits: NDArray[np.float32] = self.outputs(batch)[0]
        return logits

    def outputs(self, batch: "NDArray[np.float32]") -> "list[NDArray[Any]]":
        """Return all outputs of the program; arguments and errors are those of ``run``."""
        import numpy as np

        spec = self._spec
        if batch.shape[1:] != spec.input_shape or spec.batch not in ("dynamic", len(batch)):
            wanted = " × ".join(map(str, (spec.batch, *spec.input_shape)))
            raise ArtifactError(f"ExecuTorch cannot run the model on {batch.shape}: its input is {wanted}.")
        most = spec.largest_batch or max(1, len(batch))
        parts = [self._run(batch[start : start + most]) for start in range(0, len(batch), most)]
        if not parts:
            return [np.empty((0, len(spec.labels)), np.float32)]
        return [np.concatenate(each) for each in zip(*parts, strict=True)]

    def _run(self, batch: "NDArray[np.float32]") -> "list[NDArray[Any]]":
        import torch

        images = torch.tensor(batch)  # a copy, contiguous
        try:
            with self._lock:
                return [each.numpy().copy() for each in self._method.execute([images])]
        except RuntimeError as error:
            raise ArtifactError(f"ExecuTorch cannot run the model on {batch.shape}: {one_line(error)}") from None
