"""Export to an ExecuTorch program, ``NAME.pte``, and open it: XNNPACK computes what it can, ExecuTorch the rest.

The file is the program, which any ExecuTorch runtime runs, followed by what it was lowered from: a ``pt2`` program, or
in int8 the QDQ graph. Opening lowers that again and rejects a file that differs: ExecuTorch only gets bytes that were
written here.
"""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, DeviceUnavailable, InputError, ModelSpec
from lenetx_runtime.files import read_bytes
from lenetx_runtime.spec import FLOAT32, INT8

from ...quantization.calibration import Sample
from ...report import Check
from .. import pt2
from ..artifact import Artifact, OpenedArtifact, Run
from ..local_paths import local_paths
from ..onnx.structure import structure as onnx_structure
from ..pt2.records import MODEL, rebuilt, type_of, unpacked
from ..pt2.reopen import input_of, reopened
from ..threaded import in_words
from .contents import Carried, Tail, read, texts, written
from .lower import Lowered, lowered, lowered_to_int8
from .reduced import carried_of, model_of, quantized, shown
from .session import ExecutorchBackend, number_of_threads, version

if TYPE_CHECKING:
    from .. import Batch
    from ..network import Network

__all__ = ["LARGEST_BATCH", "OPTIONS", "PRECISIONS", "export", "open"]

LARGEST_BATCH = 64
"""The largest number of images per call if the batch is dynamic and none is stated; its memory is reserved."""
_LARGEST = 1024
_MOST_NUMBERS = 2**25
"""Maximum number of input values per call."""


def _require_largest(value: Any) -> None:
    if type(value) is not int or not 1 <= value <= _LARGEST:
        raise InputError(f"The largest batch is {value!r}, not a number from 1 to {_LARGEST:,}.")


OPTIONS: Mapping[str, Callable[[Any], None]] = {
    "largest_batch": _require_largest,
    "precision": lambda _: None,
    "sample": lambda _: None,
}
"""Options of this format, of ``export``."""
PRECISIONS = (FLOAT32, INT8)


def export(
    network: "Network",
    *,
    batch: "Batch" = "dynamic",
    largest_batch: int | None = None,
    precision: str = FLOAT32,
    sample: Sample | None = None,
) -> bytes:
    """Return the file.

    Args:
        network: the network to export.
        batch: ``"dynamic"`` or a fixed batch size.
        largest_batch: the largest number of images per call of a dynamic batch; ``LARGEST_BATCH`` if omitted.
        precision: ``float32`` or ``int8``.
        sample: the calibration images for int8.

    Raises:
        EngineMissing: ExecuTorch is not installed.
        InputError: the network cannot be exported with ``torch.export`` or quantized, or has an operator that
            ExecuTorch has no kernel for.
    """
    version()  # it alone can lower the program and prove the file
    bound = None
    if batch == "dynamic":
        bound = LARGEST_BATCH if largest_batch is None else largest_batch
        _require_largest(bound)
    elif largest_batch is not None:
        raise InputError(f"The largest batch is for dynamic batches only; this one is fixed to {batch}.")
    spec = dataclasses.replace(network.spec, batch=batch, largest_batch=bound)
    if _count(spec) * math.prod(spec.input_shape) > _MOST_NUMBERS:
        raise InputError(f"A batch of {_count(spec)} is too large for ExecuTorch, which reserves its memory.")
    if precision == INT8:
        model, own = quantized(network, batch, sample)
        spec = dataclasses.replace(own, batch=batch, largest_batch=bound)
        return written(carried_of(model), spec, lowered_to_int8(model, spec).program)
    records = pt2.records_of(network, batch)
    return written(_carried(records, spec), spec, lowered(records, spec).program)


def open(path: Path, *, device: str = "cpu") -> OpenedArtifact:  # noqa: A001  # the verb of every format
    """Lower what the file carries again, and open the file with ExecuTorch if its bytes are the same.

    Raises:
        ArtifactError: the file is damaged or not made by lenetx, or another version of ExecuTorch wrote it.
        DeviceUnavailable, EngineMissing: the device or ExecuTorch is not available.
    """
    data = read_bytes(path, "model")
    tail = read(data)
    spec = tail.spec
    if spec.largest_batch is None and spec.batch == "dynamic":
        raise ArtifactError("Its spec does not state the largest batch.")
    if _count(spec) * math.prod(spec.input_shape) > _MOST_NUMBERS:
        raise ArtifactError("Its spec states a larger batch than lenetx writes.")
    artifact = Artifact("executorch", spec.precision, path, hashlib.sha256(data).hexdigest(), len(data), spec)
    opening = _open_int8 if spec.precision == INT8 else _open_float32
    if device != "cpu":
        raise DeviceUnavailable(f"{device} was requested; ExecuTorch runs on the CPU here.")
    version()
    return opening(artifact, tail, data)


def _open_float32(artifact: Artifact, tail: Tail, data: bytes) -> OpenedArtifact:
    spec = artifact.spec

    def contents(place: int, held: Any) -> bytes:
        return tail.numbers(place, held.meta.sizes, type_of(held).itemsize)

    records = rebuilt(tail.document, contents, input_of(spec))
    opened = reopened(artifact, records, "cpu")
    again = _same(_carried(records, spec), tail, data, lambda: lowered(records, spec))
    return dataclasses.replace(
        opened,
        **_run(again, spec),
        structure=(_form(again), *opened.structure, local_paths([*texts(again.program, spec), records[MODEL]])),
        layers=None,
        matches_new_export=lambda network: _matches_new_export(network, spec, data),
    )


def _open_int8(artifact: Artifact, tail: Tail, data: bytes) -> OpenedArtifact:
    spec, model = artifact.spec, model_of(tail)
    again = _same(carried_of(model), tail, data, lambda: lowered_to_int8(model, spec))
    ran = _run(again, spec)
    return OpenedArtifact(
        artifact=artifact,
        **ran,
        structure=(
            dataclasses.replace(_form(again), name="program"),
            *onnx_structure(model, spec),
            dataclasses.replace(local_paths(texts(again.program, spec)), subject="texts of the program"),
        ),
        **shown(model, spec, ran["backend"]),
    )


def _run(again: Lowered, spec: ModelSpec) -> dict[str, Any]:
    """Return what runs a program."""
    run = Run(in_words(number_of_threads()), lambda: ExecutorchBackend(again.program, spec))
    return {"backend": run.open(), "runs": (run,)}


def _same(carried: Carried, tail: Tail, data: bytes, lower: Callable[[], Lowered]) -> Lowered:
    """Return what is lowered again.

    Raises:
        ArtifactError: it gives another file.
    """
    try:
        again = lower()
    except InputError as error:
        raise ArtifactError(str(error)) from None
    if written(carried, tail.spec, again.program) != data:
        if tail.wrote != version():
            raise ArtifactError(
                f"ExecuTorch {tail.wrote} wrote it, and {version()} lowers it differently: export it again."
            )
        raise ArtifactError("It is not what ExecuTorch lowers of the program in it.")
    return again


def _carried(records: Mapping[str, bytes], spec: ModelSpec) -> Carried:
    """Return a ``pt2`` program as a file carries it."""
    _, tensors, _ = unpacked(records, input_of(spec))
    return Carried(records[MODEL], [tensor.numpy() for tensor in tensors])


def _count(spec: ModelSpec) -> int:
    """Return the largest number of images per call."""
    return spec.largest_batch or int(spec.batch)


def _form(again: Lowered) -> Check:
    kernels = f"; {', '.join(again.kernels)} in its own kernels" * bool(again.kernels)
    words = f"{again.parts} part{'s'[: again.parts - 1]} in XNNPACK{kernels}"
    return Check(
        "file", words, "passed", detail=f"Byte for byte what ExecuTorch {version()} lowers of the program in it."
    )


def _matches_new_export(network: "Network", spec: ModelSpec, data: bytes) -> bool:
    """Return whether a new export of the network with the same spec gives the same file."""
    records = pt2.records_of(network, spec.batch)
    return written(_carried(records, spec), spec, lowered(records, spec).program) == data
