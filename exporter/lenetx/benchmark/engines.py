"""Open one configuration in the process of its own: each kind of engine with as few imports as a program needs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .configuration import EAGER, EXECUTORCH, LIBTORCH, NATIVE, ONNXRUNTIME, OPENVINO, OWN, Configuration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Run", "prepare"]

Run = Callable[["NDArray[np.float32]"], "NDArray[np.float32]"]
"""From float32[N, C, H, W] to float32[N, K] logits."""


def prepare(asked: Configuration) -> Callable[[], Run]:
    """Import an engine, and return the function that opens the file with it.

    Raises:
        LenetxError, ImportError: the engine is not installed.
    """
    return _KINDS[asked.engine](asked)


def _onnxruntime(asked: Configuration) -> Callable[[], Run]:
    from lenetx_runtime import ModelSpec
    from lenetx_runtime.ort import OrtBackend
    from lenetx_runtime.ort_session import import_engine

    import_engine()
    spec = ModelSpec.from_json(asked.spec)
    where: dict[str, Any] = {"device": asked.device}
    if asked.device.endswith("ExecutionProvider"):
        where = {"providers": [asked.device]}
    return lambda: OrtBackend(Path(asked.path).read_bytes(), spec, threads=asked.threads, **where).run


def _openvino(asked: Configuration) -> Callable[[], Run]:
    from lenetx_runtime import ModelSpec

    from ..data import archive
    from ..formats.openvino.session import OpenvinoBackend, import_engine

    import_engine()
    spec = ModelSpec.from_json(asked.spec)

    def open_it() -> Run:
        records = archive.unpack(Path(asked.path).read_bytes())
        backend = OpenvinoBackend.of(records["model.xml"], records["model.bin"], spec, asked.device, asked.threads)
        return backend.run

    return open_it


def _native(asked: Configuration) -> Callable[[], Run]:
    from lenetx_runtime import ArtifactError, ModelSpec
    from lenetx_runtime.native import NativeBackend
    from lenetx_runtime.native_file import read_spec

    spec = ModelSpec.from_json(asked.spec)

    def open_it() -> Run:
        data = Path(asked.path).read_bytes()
        if read_spec(data) != spec:  # its digest is of the whole file, which was compiled again before
            raise ArtifactError("The library was replaced meanwhile.")
        return NativeBackend(data, spec).run

    return open_it


def _executorch(asked: Configuration) -> Callable[[], Run]:
    from lenetx_runtime import ModelSpec

    from ..formats.executorch.session import ExecutorchBackend, start_threads

    start_threads(asked.threads)
    spec = ModelSpec.from_json(asked.spec)
    return lambda: ExecutorchBackend(Path(asked.path), spec).run


def _libtorch(asked: Configuration) -> Callable[[], Run]:
    import torch

    _settle(asked)

    def open_it() -> Run:
        if asked.format == "pt2":
            program: Any = torch.export.load(asked.path)
            if asked.device != "cpu":
                from torch.export.passes import move_to_device_pass

                program = move_to_device_pass(program, asked.device)
            return _in_torch(program.module(), asked.device)
        load: Any = torch.jit.load  # without annotations
        return _in_torch(load(asked.path, map_location=asked.device), asked.device)

    return open_it


def _eager(asked: Configuration) -> Callable[[], Run]:
    from ..weights import checkpoint_file

    _settle(asked)

    def open_it() -> Run:
        checkpoint = checkpoint_file.load(
            Path(asked.path),
            architecture=asked.architecture,
            arguments=json.loads(asked.arguments),
            accept_code=asked.accept_code,
        )
        return _in_torch(checkpoint.module().to(asked.device), asked.device)

    return open_it


def _own(asked: Configuration) -> Callable[[], Run]:
    from .. import formats

    def open_it() -> Run:
        opened = formats.open_artifact(Path(asked.path))
        return next(run for run in opened.runs if run.name == asked.run).open().run

    return open_it


_KINDS: dict[str, Callable[[Configuration], Callable[[], Run]]] = {
    ONNXRUNTIME: _onnxruntime,
    NATIVE: _native,
    OPENVINO: _openvino,
    EXECUTORCH: _executorch,
    LIBTORCH: _libtorch,
    EAGER: _eager,
    OWN: _own,
}


def _settle(asked: Configuration) -> None:
    """Set the number of torch's threads, and float32 without TF32, as in the proof."""
    import torch

    if asked.threads is not None:
        torch.set_num_threads(asked.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def _in_torch(module: Any, device: str) -> Run:
    """Return a function that calls a module as a program does: no copy on the CPU, no gradients."""
    import torch

    def run(batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        with torch.inference_mode():
            logits: NDArray[np.float32] = module(torch.from_numpy(batch).to(device)).cpu().numpy()
        return logits

    return run
