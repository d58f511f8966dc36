"""List the configurations of each artifact on this machine, and of its checkpoint in eager PyTorch."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lenetx_runtime import EngineMissing, LenetxError
from lenetx_runtime.backend import Backend
from lenetx_runtime.native import NativeBackend
from lenetx_runtime.ort import OrtBackend, execution_providers
from lenetx_runtime.ort_session import CPU
from lenetx_runtime.run_selftest import REMOTE

from .. import formats
from ..eager import TorchBackend
from ..formats.artifact import OpenedArtifact
from ..formats.executorch.session import ExecutorchBackend
from ..formats.openvino.session import OpenvinoBackend
from ..weights.checkpoint import Checkpoint
from ..weights.options import WeightsOptions
from .configuration import EAGER, EXECUTORCH, LIBTORCH, NATIVE, ONNXRUNTIME, OPENVINO, OWN, Configuration

__all__ = ["of_artifact", "of_checkpoint", "unusable"]

_NOT_FOR_USE = "optimisation off", "-O0", "-O2", "sanitizers"
"""Parts of the names of runs that exist only for the proof."""


def of_artifact(path: Path, checkpoint: str, threads: Sequence[int]) -> list[Configuration]:
    """Return the configurations of an artifact.

    Raises:
        ArtifactError, InputError, EngineMissing: it cannot be opened.
    """
    opened = formats.open_artifact(path)
    artifact = opened.artifact
    one = Configuration(
        name=path.name,
        checkpoint=checkpoint,
        path=str(path),
        format=artifact.format,
        precision=artifact.precision,
        size_bytes=artifact.size_bytes,
        engine=OWN,
        batch=None if artifact.spec.batch == "dynamic" else artifact.spec.batch,
        spec=artifact.spec.to_json(),
    )
    return [dataclasses.replace(one, **each) for each in _ways(opened, opened.backend, threads)]


def _ways(opened: OpenedArtifact, backend: Backend, threads: Sequence[int]) -> list[dict[str, Any]]:
    """Return the fields that differ between the configurations of an artifact."""
    if isinstance(backend, OrtBackend):
        found: list[dict[str, Any]] = [{"engine": ONNXRUNTIME, "threads": count} for count in threads]
        others = [each for each in execution_providers() if each != CPU and each not in REMOTE]
        return found + [{"engine": ONNXRUNTIME, "device": each} for each in others]
    for kind, engine in ((OpenvinoBackend, OPENVINO), (ExecutorchBackend, EXECUTORCH)):
        if isinstance(backend, kind):
            return [{"engine": engine, "threads": count} for count in threads]
    if isinstance(backend, NativeBackend):
        return [{"engine": NATIVE, "threads": 1}]
    if isinstance(backend, TorchBackend):
        return _in_torch(LIBTORCH, threads)
    return [
        {"engine": OWN, "run": run.name}
        for run in opened.runs
        if not any(words in run.name for words in _NOT_FOR_USE) and not run.missing
    ]


def of_checkpoint(
    checkpoint: Checkpoint, path: Path, copy: Path, options: WeightsOptions, threads: Sequence[int]
) -> list[Configuration]:
    """Return the configurations of a checkpoint in eager PyTorch.

    Args:
        checkpoint: the checkpoint.
        path: its file, or another file of weights that was read as one.
        copy: the file that the processes open: the same weights, as a checkpoint.
        options: how the file was read.
        threads: the numbers of threads.
    """
    one = Configuration(
        name=path.name,
        checkpoint=str(path),
        path=str(copy),
        format="",
        precision="float32",
        size_bytes=path.stat().st_size,
        engine=EAGER,
        spec=checkpoint.spec.to_json(),
        architecture=options.architecture,
        arguments=json.dumps(dict(options.arguments)),
        accept_code=options.accept_code,
    )
    return [dataclasses.replace(one, **each) for each in _in_torch(EAGER, threads)]


def _in_torch(engine: str, threads: Sequence[int]) -> list[dict[str, Any]]:
    import torch

    on_cpu: list[dict[str, Any]] = [{"engine": engine, "threads": count} for count in threads]
    return on_cpu + [{"engine": engine, "device": "cuda"}] * torch.cuda.is_available()


def unusable(path: Path, checkpoint: str, error: LenetxError) -> tuple[Configuration, str]:
    """Return a configuration for an artifact that could not be opened, and the reason."""
    kind = formats.of_suffix(path.suffix) or ""
    engine = "engine missing" if isinstance(error, EngineMissing) else "not opened"
    size = path.stat().st_size
    return Configuration(path.name, checkpoint, str(path), kind, "", size, engine), str(error)
