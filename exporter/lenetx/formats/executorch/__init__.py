"""Export to an ExecuTorch program, ``NAME.pte``, and open it: XNNPACK computes what it can, ExecuTorch the rest.

The file is the program, which any ExecuTorch runtime runs, followed by the ``pt2`` program that it was lowered from.
Opening lowers that one again and rejects a file that differs: ExecuTorch only gets bytes that were written here.
"""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, DeviceUnavailable, InputError, ModelSpec
from lenetx_runtime.files import read_bytes

from ...report import Check
from .. import pt2
from ..artifact import Artifact, OpenedArtifact, Run
from ..local_paths import local_paths
from ..pt2.records import MODEL
from ..pt2.reopen import reopened
from ..threaded import in_words
from .contents import read, texts, written
from .lower import Lowered, lowered
from .session import ExecutorchBackend, number_of_threads, version

if TYPE_CHECKING:
    from .. import Batch
    from ..network import Network

__all__ = ["LARGEST_BATCH", "OPTIONS", "export", "open"]

LARGEST_BATCH = 64
"""The largest number of images per call if the batch is dynamic and none is stated; its memory is reserved."""
_LARGEST = 1024
_MOST_NUMBERS = 2**25
"""Maximum number of input values per call."""


def _require_largest(value: Any) -> None:
    if type(value) is not int or not 1 <= value <= _LARGEST:
        raise InputError(f"The largest batch is {value!r}, not a number from 1 to {_LARGEST:,}.")


OPTIONS: Mapping[str, Callable[[Any], None]] = {"largest_batch": _require_largest}
"""Option of this format: ``largest_batch``, of ``export``."""


def export(network: "Network", *, batch: "Batch" = "dynamic", largest_batch: int | None = None) -> bytes:
    """Return the file.

    Args:
        network: the network to export.
        batch: ``"dynamic"`` or a fixed batch size.
        largest_batch: the largest number of images per call of a dynamic batch; ``LARGEST_BATCH`` if omitted.

    Raises:
        EngineMissing: ExecuTorch is not installed.
        InputError: the network cannot be exported with ``torch.export``, or has an operator that ExecuTorch has no
            kernel for.
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
    records = pt2.records_of(network, batch)
    return written(records, spec, lowered(records, spec).program)


def open(path: Path, *, device: str = "cpu") -> OpenedArtifact:  # noqa: A001  # the verb of every format
    """Lower the carried program again, and open the file with ExecuTorch if its bytes are the same.

    Raises:
        ArtifactError: the file is damaged or not made by lenetx, or another version of ExecuTorch wrote it.
        DeviceUnavailable, EngineMissing: the device or ExecuTorch is not available.
    """
    data = read_bytes(path, "model")
    records, spec, wrote = read(data)
    if spec.largest_batch is None and spec.batch == "dynamic":
        raise ArtifactError("Its spec does not state the largest batch.")
    if _count(spec) * math.prod(spec.input_shape) > _MOST_NUMBERS:
        raise ArtifactError("Its spec states a larger batch than lenetx writes.")
    if device != "cpu":
        raise DeviceUnavailable(f"{device} was requested; ExecuTorch runs on the CPU here.")
    here = version()
    artifact = Artifact("executorch", "float32", path, hashlib.sha256(data).hexdigest(), len(data), spec)
    opened = reopened(artifact, records, device)
    try:
        again = lowered(records, spec)
    except InputError as error:
        raise ArtifactError(str(error)) from None
    if written(records, spec, again.program) != data:
        if wrote != here:
            raise ArtifactError(f"ExecuTorch {wrote} wrote it, and {here} lowers it differently: export it again.")
        raise ArtifactError("It is not what ExecuTorch lowers of the program in it.")
    return dataclasses.replace(
        opened,
        backend=ExecutorchBackend(again.program, spec),
        structure=(
            _form(again, here),
            *opened.structure,
            local_paths([*texts(again.program, spec), records[MODEL]]),
        ),
        layers=None,
        runs=(Run(in_words(number_of_threads()), lambda: ExecutorchBackend(again.program, spec)),),
        matches_new_export=lambda network: _matches_new_export(network, spec, data),
    )


def _count(spec: ModelSpec) -> int:
    """Return the largest number of images per call."""
    return spec.largest_batch or int(spec.batch)


def _form(again: Lowered, here: str) -> Check:
    kernels = f"; {', '.join(again.kernels)} in its own kernels" * bool(again.kernels)
    words = f"{again.parts} part{'s'[: again.parts - 1]} in XNNPACK{kernels}"
    return Check("file", words, "passed", detail=f"Byte for byte what ExecuTorch {here} lowers of the program in it.")


def _matches_new_export(network: "Network", spec: ModelSpec, data: bytes) -> bool:
    """Return whether a new export of the network with the same spec gives the same file."""
    records = pt2.records_of(network, spec.batch)
    return written(records, spec, lowered(records, spec).program) == data
