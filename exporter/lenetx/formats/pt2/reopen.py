"""Reopen a program that lenetx wrote: with torch, strictly, and with what the proof compares."""

import dataclasses
import io
import logging
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, ModelSpec
from lenetx_runtime.cpus import available_cpus

from ...data import archive
from ...eager import TorchBackend
from ...execution.devices import torch_device
from ...execution.host import standard_settings
from ...graph.expression import plain
from ...report import Check
from ..artifact import Artifact, OpenedArtifact, Run
from ..recorder import ArchiveRecorder, expression_of, layers_of
from ..threaded import Threaded, in_words
from .convert import program_of
from .document import write
from .program import CHOICES, Count, Held, Meta, Program, contiguous, numbers
from .records import unpacked, written_here
from .rules import trains

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["alone", "input_of", "load", "reopened"]

_one_at_a_time = threading.RLock()
"""torch cannot read two archives at a time, and what silences it is the process's."""


def reopened(artifact: Artifact, records: Mapping[str, bytes], device: str) -> OpenedArtifact:
    """Open records with ``torch.export.load``, which only gets what we parsed and rewrote.

    Args:
        artifact: the file that holds them; its spec states the input.
        records: those of ``records.packed``.
        device: where it runs.

    Raises:
        ArtifactError: lenetx did not write them.
        DeviceUnavailable: the device is not available.
    """
    spec = artifact.spec
    program, _, written = unpacked(records, input_of(spec))
    exported = load(records)
    loaded, tensors = _read_back(exported, spec)
    strict = written == written_here()  # another release may lay out values otherwise
    if write(_without(loaded, strict=strict), written) != write(_without(program, strict=strict), written):
        raise ArtifactError("Its program is not that of a network that lenetx wrote: torch reads it differently.")
    module, names = _module(exported, program, device)
    recorder = ArchiveRecorder(lambda: (module, names), spec, device)
    backend = TorchBackend(module, device)
    others = {each.path: tensor.numpy() for each, tensor in _pairs(program, tensors, constant=True)}
    return OpenedArtifact(
        artifact=artifact,
        backend=backend,
        weights={each.path: tensor.numpy() for each, tensor in _pairs(program, tensors, constant=False)},
        runs=tuple(
            Run(in_words(threads), partial(Threaded, backend, threads)) for threads in sorted({1, available_cpus()})
        ),
        layers=partial(layers_of, recorder),
        training=lambda: [call.operator.partition(".")[0] for call in program.calls if trains(call)],
        expression=partial(expression_of, recorder),
        structure=(Check("axes", "every value", "passed", detail="Each has the sizes that it declares."),),
        numbers=numbers(program) | {float(array.flat[0]) for array in others.values() if _is_one_number(array)},
        constants={name: array for name, array in others.items() if array.ndim and not _is_one_number(array)},
    )


def input_of(spec: ModelSpec) -> Meta:
    """Return the type of the input that a spec states."""
    sizes = (Count(1) if spec.batch == "dynamic" else spec.batch, *spec.input_shape)
    return Meta(CHOICES["scalar_type"]["torch.float32"], sizes, contiguous(sizes))


def load(records: Mapping[str, bytes]) -> Any:
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
def alone() -> Iterator[None]:
    """Let one thread at a time use torch's export tools, silently and with standard settings."""
    with _one_at_a_time, _quiet(), standard_settings():
        yield


@contextmanager
def _reading() -> Iterator[None]:
    """Turn every exception into an ArtifactError: torch raises several classes for what it cannot read or run."""
    try:
        with alone():
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


def _pairs(program: Program, tensors: "list[Tensor]", *, constant: bool) -> "list[tuple[Held, Tensor]]":
    pairs = zip(program.held, tensors, strict=True)
    return [pair for pair in pairs if (pair[0].kind == "constant") is constant]


def _is_one_number(array: "NDArray[np.float32]") -> bool:
    return array.size > 0 and array.dtype.kind == "f" and bool((array == array.flat[0]).all())
