"""Export to ``torch.export``'s ``.pt2`` archive and open it, for programs that run, compile or lower it with torch."""

import dataclasses
import hashlib
import io
import logging
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError, ModelSpec
from lenetx_runtime.cpus import available_cpus
from lenetx_runtime.files import read_bytes

from ...data import archive
from ...eager import TorchBackend
from ...execution.devices import torch_device
from ...execution.host import standard_settings
from ...graph.expression import plain
from ...report import Check
from ..artifact import Artifact, OpenedArtifact, Run
from ..local_paths import local_paths
from ..recorder import ArchiveRecorder, expression_of, layers_of
from ..spec_record import SPEC, equal_but_spec, spec_from, spec_record
from ..threaded import Threaded, in_words
from .convert import program_of
from .document import write
from .program import CHOICES, Count, Held, Meta, Program, contiguous, numbers
from .records import packed, unpacked, written_here
from .rules import require_path, trains
from .translate import translate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from .. import Batch
    from ..network import Network

__all__ = ["OPTIONS", "export", "open"]

OPTIONS: Mapping[str, Callable[[Any], None]] = {}

_one_at_a_time = threading.Lock()
"""torch cannot read two archives at a time, and what silences it is the process's."""


def export(network: "Network", *, batch: "Batch" = "dynamic") -> bytes:
    """Return the archive.

    Args:
        network: the network to export.
        batch: ``"dynamic"`` or a fixed batch size.

    Raises:
        InputError: the network branches on its input, draws random numbers, uses batch statistics, or contains
            something else that the archive cannot represent.
    """
    program, tensors = translate(network.module, network.spec, batch)
    program = _named(program, tensors, network.usage.tensors)
    try:
        for each in program.held:
            require_path(each.path)
        records = packed(program, tensors, written_here())
    except ValueError as error:
        raise InputError(f"The network cannot be written as pt2: {error}.") from None
    unpacked(records, program.input)
    return archive.pack({**records, **spec_record(network.spec, batch)})


def open(path: Path, *, device: str = "cpu") -> OpenedArtifact:  # noqa: A001  # the verb of every format
    """Open the archive with ``torch.export.load``, which only gets records that we parsed and rewrote.

    Raises:
        ArtifactError: the file is damaged or not made by lenetx.
        DeviceUnavailable: the device is not available.
    """
    data = read_bytes(path, "model")
    if archive.has(data, "archive_format") and not archive.has(data, SPEC):
        raise ArtifactError(
            "Another program exported it: save the state_dict of what torch.export.load returns, and export that."
        )
    records = archive.unpack(data)
    spec = spec_from(records)
    code = {name: contents for name, contents in records.items() if name != SPEC}
    program, _, written = unpacked(code, _input_of(spec))
    exported = _load(code)
    loaded, tensors = _read_back(exported, spec)
    strict = written == written_here()  # another release may lay out values otherwise
    if write(_without(loaded, strict=strict), written) != write(_without(program, strict=strict), written):
        raise ArtifactError("Its program is not that of a network that lenetx wrote: torch reads it differently.")
    module, names = _module(exported, program, device)
    recorder = ArchiveRecorder(lambda: (module, names), spec, device)
    backend = TorchBackend(module, device)
    others = {each.path: tensor.numpy() for each, tensor in _pairs(program, tensors, constant=True)}
    return OpenedArtifact(
        artifact=Artifact("pt2", "float32", path, hashlib.sha256(data).hexdigest(), len(data), spec),
        backend=backend,
        weights={each.path: tensor.numpy() for each, tensor in _pairs(program, tensors, constant=False)},
        runs=tuple(
            Run(in_words(threads), partial(Threaded, backend, threads)) for threads in sorted({1, available_cpus()})
        ),
        layers=partial(layers_of, recorder),
        training=lambda: [call.operator.partition(".")[0] for call in program.calls if trains(call)],
        expression=partial(expression_of, recorder),
        matches_new_export=lambda network: _matches_new_export(records, export(network, batch=spec.batch)),
        structure=(
            Check("file", f"archive of {len(records)} records", "passed", detail="Canonical, checksums right."),
            Check("axes", "every value", "passed", detail="Each has the sizes that it declares."),
            local_paths([contents for name, contents in records.items() if name.endswith(".json")]),
        ),
        numbers=numbers(program) | {float(array.flat[0]) for array in others.values() if _is_one_number(array)},
        constants={name: array for name, array in others.items() if array.ndim and not _is_one_number(array)},
    )


def _input_of(spec: ModelSpec) -> Meta:
    sizes = (Count(1) if spec.batch == "dynamic" else spec.batch, *spec.input_shape)
    return Meta(CHOICES["scalar_type"]["torch.float32"], sizes, contiguous(sizes))


def _load(records: Mapping[str, bytes]) -> Any:
    """Return torch's exported program."""
    import torch

    with _reading():
        return torch.export.load(io.BytesIO(archive.pack(records)))


def _read_back(exported: Any, spec: ModelSpec) -> "tuple[Program, list[Tensor]]":
    """Return the program that torch has read, and its tensors."""
    with _reading():
        return program_of(exported, spec.input_shape, spec.batch, spec.input_name)


def _module(exported: Any, program: Program, device: str) -> tuple[Any, dict[int, str]]:
    """Return the module that runs, and the names of its weights by ``id``."""
    from torch.export.passes import move_to_device_pass

    target = torch_device(device)
    with _reading():
        module = (exported if target.type == "cpu" else move_to_device_pass(exported, target)).module()
        own = {each.path: attrgetter(each.path)(module) for each in program.held}
    return module, {id(own[each.path]): each.path for each in program.held if each.kind != "constant"}


@contextmanager
def _reading() -> Iterator[None]:
    """Turn every exception into an ArtifactError: torch raises several classes for what it cannot read or run."""
    try:
        with _one_at_a_time, _quiet(), standard_settings():
            yield
    except Exception as error:
        reason = plain((str(error).strip().splitlines() or [type(error).__name__])[0].rstrip("."))
        raise ArtifactError(f"Its program is not that of a network that lenetx wrote: {reason}.") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what torch logs and warns of while it reads an archive; errors are raised."""
    level = logging.root.manager.disable
    logging.disable(max(level, logging.ERROR))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _without(program: Program, *, strict: bool) -> Program:
    """Return the program, without the strides of its values unless they are compared too."""
    if strict:
        return program

    def plain(meta: Meta) -> Meta:
        return dataclasses.replace(meta, strides=(0,) * len(meta.strides))

    calls = (
        dataclasses.replace(call, results=tuple((name, plain(meta)) for name, meta in call.results))
        for call in program.calls
    )
    return dataclasses.replace(program, calls=tuple(calls))


def _named(program: Program, tensors: "list[Tensor]", own: "Mapping[str, Tensor]") -> Program:
    """Return the program with its weights named as in the checkpoint: torch keeps another name of a shared weight."""
    import torch

    taken = {each.path for each in program.held}
    held = []
    for each, tensor in zip(program.held, tensors, strict=True):
        same = (name for name, other in own.items() if name not in taken and torch.equal(other, tensor))
        path = each.path if each.kind == "constant" or each.path in own else next(same, each.path)
        taken.add(path)
        held.append(dataclasses.replace(each, path=path))
    return dataclasses.replace(program, held=tuple(held))


def _pairs(program: Program, tensors: "list[Tensor]", *, constant: bool) -> "list[tuple[Held, Tensor]]":
    pairs = zip(program.held, tensors, strict=True)
    return [pair for pair in pairs if (pair[0].kind == "constant") is constant]


def _matches_new_export(records: Mapping[str, bytes], exported: bytes) -> bool:
    """Return whether the records equal those of a new export, apart from the spec."""
    return equal_but_spec(records, archive.unpack(exported))


def _is_one_number(array: "NDArray[np.float32]") -> bool:
    return array.size > 0 and array.dtype.kind == "f" and bool((array == array.flat[0]).all())
