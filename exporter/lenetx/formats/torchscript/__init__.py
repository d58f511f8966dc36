"""Export to TorchScript and open it: straight-line code in a canonical archive, for programs that embed libtorch."""

import hashlib
import io
import json
import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError
from lenetx_runtime.files import read_bytes
from lenetx_runtime.spec import METADATA_KEY
from lenetx_runtime.values import parse_json

from ...data import archive
from ...eager import TorchBackend
from ...execution.devices import torch_device
from ...report import Check
from ..artifact import Artifact, OpenedArtifact
from ..local_paths import local_paths
from ..recorder import ArchiveRecorder, expression_of, layers_of
from ..spec_record import SPEC, equal_but_spec, spec_from, spec_record
from .batch import COUNTS, bits_of, program_of_traces
from .code import names_of, numbers, renamed, write
from .graph import constants_of, program_of, training_operators
from .records import packed, unpacked
from .runs import as_written, runs_of
from .torch_tracer import deprecated_api, trace
from .trace import Traced

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from .. import Batch
    from ..network import Network

__all__ = ["OPTIONS", "export", "open"]

OPTIONS: Mapping[str, Callable[[Any], None]] = {}

_NAMES = f"extra/{METADATA_KEY}.weights.json"


def export(network: "Network", *, batch: "Batch" = "dynamic") -> bytes:
    """Return the archive.

    Args:
        network: the network to export.
        batch: ``"dynamic"`` or a fixed batch size.

    Raises:
        InputError: the network branches on its input, draws random numbers, uses batch statistics, or contains
            something else that the archive cannot represent.
    """
    module, used = network.module, network.usage
    program, tensors = program_of_traces(_class_path(module), *_traces(module, network.spec.input_shape, batch))
    loaded = _load(packed(program, tensors), "cpu")
    if random := training_operators(loaded.graph):
        raise InputError(
            f"In eval mode too, the network draws random numbers or takes statistics of the whole batch "
            f"({', '.join(sorted(set(random)))}): an image's result would depend on other images."
        )
    records = packed(renamed(program_of(loaded.graph), program.path, names_of(program)), tensors)
    constants = constants_of(loaded)  # names must follow the order of the loaded module
    names = [each[0] if len(each) == 1 else each for each in _names(constants, used.tensors)]
    records |= spec_record(network.spec, batch)
    records[_NAMES] = json.dumps(names).encode()
    return archive.pack(records)


def open(path: Path, *, device: str = "cpu") -> OpenedArtifact:  # noqa: A001  # the verb of every format
    """Open the archive with libtorch, which only gets records that we parsed and rewrote.

    Raises:
        ArtifactError: the file is damaged or not made by lenetx.
        DeviceUnavailable: the device is not available.
    """
    data = read_bytes(path, "model")
    records = archive.unpack(data)
    spec = spec_from(records)
    code = {name: contents for name, contents in records.items() if name not in (SPEC, _NAMES)}
    program = unpacked(code)
    load = partial(_load, code, device)  # unpacked() has checked that packed() writes the same bytes
    module = load()
    if write(renamed(program_of(module.graph))) != write(renamed(program)):
        raise ArtifactError("Its code is not that of a network that lenetx wrote: libtorch reads it differently.")
    constants = constants_of(module)
    weights = _weights(records, constants)
    others = _unnamed(records, constants)
    recorder = ArchiveRecorder(partial(_named, load, _names_of(records)), spec, device, as_written)
    return OpenedArtifact(
        artifact=Artifact("torchscript", "float32", path, hashlib.sha256(data).hexdigest(), len(data), spec),
        backend=TorchBackend(module, device),
        weights=weights,
        runs=runs_of(load, device),
        layers=partial(layers_of, recorder),
        training=lambda: training_operators(module.graph),
        expression=partial(expression_of, recorder),
        matches_new_export=lambda network: _matches_new_export(records, export(network, batch=spec.batch)),
        structure=(
            Check("file", f"archive of {len(records)} records", "passed", detail="Canonical, checksums right."),
            Check("axes", "inputs and outputs", "not_applicable", detail="A trace declares none: see batch sizes."),
            local_paths([contents for name, contents in records.items() if not name.startswith("constants/")]),
        ),
        numbers=numbers(program) | {float(array.flat[0]) for array in others.values() if _is_one_number(array)},
        constants={name: array for name, array in others.items() if array.ndim and not _is_one_number(array)},
    )


def _traces(network: "nn.Module", shape: tuple[int, ...], batch: "Batch") -> tuple[Traced, Traced]:
    """Trace a network on zeros and on random images, with two batch sizes if the batch axis is dynamic."""
    import torch

    counts = COUNTS if batch == "dynamic" else (batch, batch)
    module = network if batch == "dynamic" else _fixed(network, (batch, *shape))
    other = torch.rand(counts[1], *shape, generator=torch.Generator().manual_seed(0)) + 1
    first, second = (Traced(trace(module, each)) for each in (torch.zeros(counts[0], *shape), other))
    return first, second


def _class_path(network: "nn.Module") -> str:
    """Return the name of a network's class as TorchScript spells it."""
    kind = type(network)
    parts = re.findall(r"[A-Za-z_]\w*", f"{kind.__module__}.{kind.__qualname__}", re.ASCII)
    return ".".join(["__torch__", *(f"{each}_" if keyword.iskeyword(each) else each for each in parts)])


def _matches_new_export(records: Mapping[str, bytes], exported: bytes) -> bool:
    """Return whether the records equal those of a new export, apart from the spec."""
    exported_anew = archive.unpack(exported)
    return equal_but_spec(records, exported_anew)


def _is_one_number(array: "NDArray[Any]") -> bool:
    return array.size > 0 and array.dtype.kind == "f" and bool((array == array.flat[0]).all())


def _load(records: Mapping[str, bytes], device: str) -> Any:
    import torch

    target = torch_device(device)
    with deprecated_api():
        try:
            return torch.jit.load(io.BytesIO(archive.pack(records)), map_location=target)
        except (RuntimeError, ValueError) as error:
            raise ArtifactError(f"libtorch cannot open it: {str(error).strip().splitlines()[0]}") from None


def _names(constants: "Sequence[Tensor]", tensors: "Mapping[str, Tensor]") -> list[list[str]]:
    """Return the names of each constant in the network; the archive itself only numbers them.

    Tensors with the same bits share a constant. A tensor that the network's code creates has no name.
    """
    names: dict[object, list[str]] = {}
    for name, tensor in tensors.items():
        names.setdefault(bits_of(tensor), []).append(name)
    return [names.get(bits_of(constant), []) for constant in constants]


def _weights(records: Mapping[str, bytes], constants: list["Tensor"]) -> "dict[str, NDArray[np.float32]]":
    """Return the named constants, by the names recorded in the archive."""
    names = _names_of(records)
    every = [name for each in names for name in each]
    if len(names) != len(constants) or len(every) != len(set(every)):
        raise ArtifactError(f"It does not name each of its {len(constants)} weights.")
    return {name: c.cpu().numpy() for each, c in zip(names, constants, strict=True) for name in each}


def _named(load: Callable[[], Any], names: Sequence[Sequence[str]]) -> tuple[Any, dict[int, str]]:
    """Return a newly loaded module, and the first name of each constant by ``id``."""
    module = load()
    pairs = zip(names, constants_of(module), strict=True)
    return module, {id(constant): each[0] for each, constant in pairs if each}


def _unnamed(records: Mapping[str, bytes], constants: list["Tensor"]) -> "dict[str, NDArray[Any]]":
    """Return the constants that are not weights, by position."""
    pairs = enumerate(zip(_names_of(records), constants, strict=True))
    return {f"constant {place}": constant.cpu().numpy() for place, (names, constant) in pairs if not names}


def _names_of(records: Mapping[str, bytes]) -> list[list[str]]:
    """Return the names of each constant. The file holds a string for one name, or a list for none or several."""
    try:
        found = parse_json(records[_NAMES])
    except (KeyError, ValueError):
        return []
    names = [each if isinstance(each, list) else [each] for each in found] if isinstance(found, list) else []
    return names if all(isinstance(name, str) for each in names for name in each) else []


def _fixed(network: "nn.Module", shape: tuple[int, ...]) -> "nn.Module":
    """Return a module that accepts only one input shape, also in libtorch, which does not read the spec."""
    from torch import nn

    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: "Tensor") -> "Tensor":
            logits: Tensor = self.network(image.view(shape))
            return logits

    return Fixed().eval()
