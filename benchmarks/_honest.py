"""Build honest float32 programs that compute a checkpoint's logits, in many engines and summation orders."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from _numpy_nets import in_random_order, numpy_net, shuffled_matmul
from numpy.typing import NDArray
from torch import nn

from lenetx import Checkpoint, formats
from lenetx.eager import TorchBackend
from lenetx.formats.artifact import OpenedArtifact
from lenetx.formats.network import Network

__all__ = ["Compiled", "Exported", "Floats", "Honest", "Program", "eager", "exported", "honest"]

Floats = NDArray[np.float32]
Program = Callable[[Floats], Floats]
"""Maps float32[N, C, H, W] to float32[N, K] logits."""

ORDERS = range(20)
_SLOW_ROWS = 32
_LEVELS = {"off": "DISABLE_ALL", "basic": "ENABLE_BASIC", "extended": "ENABLE_EXTENDED", "all": "ENABLE_ALL"}


@dataclass(frozen=True, slots=True)
class Honest:
    """A named program.

    Attributes:
        name: the engine and its configuration.
        run: the program.
        rows: number of inputs of each group to run, from the first on; all if ``None``.
    """

    name: str
    run: Program
    rows: int | None = None


class Compiled:
    """A network compiled once with ``torch.compile`` and reused with other weights."""

    def __init__(self, checkpoint: Checkpoint, batch: int) -> None:
        self._module, self._batch = checkpoint.module(), batch
        self._compiled = torch.compile(self._module, dynamic=False)

    def program(self, checkpoint: Checkpoint) -> Program:
        """Return the program with a checkpoint's weights; valid until the next call."""
        self._module.load_state_dict(checkpoint.state_dict)
        return self._run

    def _run(self, inputs: Floats) -> Floats:
        padded = np.zeros((-(-len(inputs) // self._batch) * self._batch, *inputs.shape[1:]), np.float32)
        padded[: len(inputs)] = inputs
        with torch.inference_mode():
            parts = [self._compiled(part).numpy() for part in torch.from_numpy(padded).split(self._batch)]
        return np.concatenate(parts)[: len(inputs)]


@dataclass(frozen=True, slots=True)
class Exported:
    """A checkpoint exported to ONNX and TorchScript, and reopened."""

    data: bytes
    onnx: OpenedArtifact
    script: OpenedArtifact


def exported(checkpoint: Checkpoint) -> Exported:
    """Export a checkpoint to both formats and open the files."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"net.{name}") for name in ("onnx", "torchscript")]
        for path in paths:
            path.write_bytes(formats.get(path.suffix[1:]).export(Network(checkpoint), batch="dynamic"))
        return Exported(paths[0].read_bytes(), *map(formats.open_artifact, paths))


def honest(checkpoint: Checkpoint, files: Exported, compiled: Compiled) -> Iterator[Honest]:
    """Yield float32 programs that differ only in summation order and operator fusion."""
    for name, level in _LEVELS.items():
        for threads in (1, 2):
            words = f"onnxruntime, optimisation {name}, {threads} thread{'s'[: threads - 1]}"
            yield Honest(words, _onnxruntime(files.data, level, threads))
    yield Honest("onnxruntime, image by image", _one_by_one(_onnxruntime(files.data, "ENABLE_ALL", 1)))
    for run in files.script.runs:
        yield Honest(f"TorchScript, {run.name}", run.open().run)
    yield Honest("torch.compile, inductor", compiled.program(checkpoint))
    assert files.onnx.evaluate is not None
    yield Honest("onnx's ReferenceEvaluator", files.onnx.evaluate, _SLOW_ROWS)
    module = checkpoint.module()
    yield Honest("eager", eager(module))
    yield Honest("eager, image by image", _one_by_one(eager(module)))
    yield Honest("eager, channels last", eager(checkpoint.module().to(memory_format=torch.channels_last)))
    yield Honest("eager, plain convolutions", _without_onednn(module, nnpack=False))
    yield Honest("eager, NNPACK's Winograd and FFT", _without_onednn(module, nnpack=True))
    yield Honest("numpy, BLAS on shuffled terms", numpy_net(module, shuffled_matmul), _SLOW_ROWS)
    for seed in ORDERS:
        words = f"numpy, term by term in {len(ORDERS)} random orders"
        yield Honest(words, numpy_net(module, in_random_order(seed)), _SLOW_ROWS)


def eager(module: nn.Module) -> Program:
    return TorchBackend(module, "cpu").run


def _onnxruntime(data: bytes, level: str, threads: int) -> Program:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_{level}")
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(["logits"], {"image": inputs})[0]


def _without_onednn(module: nn.Module, *, nnpack: bool) -> Program:
    """Return a program with NNPACK's Winograd and FFT convolutions (for 16 images or more), or torch's plain ones."""

    def run(inputs: Floats) -> Floats:
        torch.backends.mkldnn.set_flags(_enabled=False)
        try:
            with torch.backends.nnpack.flags(enabled=nnpack):
                return eager(module)(inputs)
        finally:
            torch.backends.mkldnn.set_flags(_enabled=True)

    return run


def _one_by_one(program: Program) -> Program:
    return lambda inputs: np.concatenate([program(inputs[row : row + 1]) for row in range(len(inputs))])
