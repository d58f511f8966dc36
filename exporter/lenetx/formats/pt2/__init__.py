"""Export to ``torch.export``'s ``.pt2`` archive and open it, for programs that run, compile or lower it with torch."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError
from lenetx_runtime.files import read_bytes

from ...data import archive
from ...report import Check
from ..artifact import Artifact, OpenedArtifact
from ..local_paths import local_paths
from ..spec_record import SPEC, equal_but_spec, spec_from, spec_record
from .program import Program
from .records import packed, unpacked, written_here
from .reopen import reopened
from .rules import require_path
from .translate import translate

if TYPE_CHECKING:
    from torch import Tensor

    from .. import Batch
    from ..network import Network

__all__ = ["OPTIONS", "export", "open", "records_of"]

OPTIONS: Mapping[str, Callable[[Any], None]] = {}


def export(network: "Network", *, batch: "Batch" = "dynamic") -> bytes:
    """Return the archive.

    Args:
        network: the network to export.
        batch: ``"dynamic"`` or a fixed batch size.

    Raises:
        InputError: the network branches on its input, draws random numbers, uses batch statistics, or contains
            something else that the archive cannot represent.
    """
    return archive.pack({**records_of(network, batch), **spec_record(network.spec, batch)})


def records_of(network: "Network", batch: "Batch") -> dict[str, bytes]:
    """Return the records of an archive without its spec; arguments and errors are those of ``export``."""
    program, tensors = translate(network.module, network.spec, batch)
    program = _named(program, tensors, network.usage.tensors)
    try:
        for each in program.held:
            require_path(each.path)
        records = packed(program, tensors, written_here())
    except ValueError as error:
        raise InputError(f"The network cannot be written as pt2: {error}.") from None
    unpacked(records, program.input)
    return records


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
    artifact = Artifact("pt2", "float32", path, hashlib.sha256(data).hexdigest(), len(data), spec)
    opened = reopened(artifact, code, device)
    file = Check("file", f"archive of {len(records)} records", "passed", detail="Canonical, checksums right.")
    return dataclasses.replace(
        opened,
        structure=(
            file,
            *opened.structure,
            local_paths([contents for name, contents in records.items() if name.endswith(".json")]),
        ),
        matches_new_export=lambda network: _matches_new_export(records, export(network, batch=spec.batch)),
    )


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


def _matches_new_export(records: Mapping[str, bytes], exported: bytes) -> bool:
    """Return whether the records equal those of a new export, apart from the spec."""
    return equal_but_spec(records, archive.unpack(exported))
