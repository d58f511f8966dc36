"""TorchScript: a frozen trace in a canonical archive, for programs that embed libtorch."""

import contextlib
import dataclasses
import hashlib
import io
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError, ModelSpec
from lenetx_runtime.files import read_bytes
from lenetx_runtime.spec import METADATA_KEY

from .. import archive
from ..artifact import Artifact, OpenedArtifact
from ..devices import torch_device
from ..eager import TorchBackend
from ..report import Check
from ..usage import exported_network, usage_of
from .local_paths import local_paths
from .torchscript_code import numbers_of, unknown_operators
from .torchscript_engines import engines_of
from .torchscript_watch import Watched, constants_of, expression_of, layers_of, training_operators

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from ..checkpoint import Checkpoint
    from . import Batch

__all__ = ["export", "open"]

_SPEC = f"extra/{METADATA_KEY}.json"
_NAMES = f"extra/{METADATA_KEY}.weights.json"
_MANGLED = re.compile(rb"___torch_mangle_\d+\.")
_RECORD = re.compile(
    r"code/.+\.py|constants/\d+|(data|constants)\.pkl|(\.data/)?version|byteorder|\.format_version|\.storage_alignment|"
    + "|".join(map(re.escape, (_SPEC, _NAMES)))
)
_TRACE_BATCH = 2
"""A sample of batch 1 can freeze the batch axis (pytorch#151582)."""


def export(checkpoint: "Checkpoint", *, batch: "Batch" = "dynamic", opset: int | None = None) -> bytes:  # noqa: ARG001
    """Give the archive; ``opset`` means nothing to this format.

    Raises:
        InputError: the network is no straight line of known operators on its own parameters and buffers.
    """
    import torch

    network = exported_network(checkpoint)
    used = usage_of(network, checkpoint.spec.input_shape)
    module = network if batch == "dynamic" else _fixed(network, (batch, *checkpoint.spec.input_shape))
    spec = dataclasses.replace(checkpoint.spec, batch=batch)
    sample = torch.zeros(_TRACE_BATCH if batch == "dynamic" else batch, *spec.input_shape)
    buffer = io.BytesIO()
    with _deprecated_api():
        torch.jit.save(torch.jit.freeze(torch.jit.trace(module, sample), optimize_numerics=False), buffer)
    records = _unmangled(archive.normalise(buffer.getvalue()))
    _require_known_operators(records)
    constants = constants_of(_load(archive.pack(records), "cpu"))  # their order is that of a module that was loaded
    names = [each[0] if len(each) == 1 else each for each in _names(constants, used.tensors)]
    records[_SPEC] = spec.to_json().encode()
    records[_NAMES] = json.dumps(names).encode()
    return archive.pack(records)


def open(path: Path, *, device: str = "cpu") -> OpenedArtifact:  # noqa: A001  # the verb of every format
    """Open the archive with libtorch."""
    data = read_bytes(path, "model")
    records = archive.unpack(data)
    try:
        spec = ModelSpec.from_json(records[_SPEC].decode())
    except (KeyError, ValueError):
        raise ArtifactError("It is not a model that lenetx made: it carries no lenetx spec.") from None
    fractions = _fractions(records)
    module = _load(data, device)
    constants = constants_of(module)
    weights = _weights(records, constants)
    watched = Watched(partial(_load, data, device), _names_of(records), spec, device)
    texts = [contents for name, contents in records.items() if not name.startswith("constants/")]
    return OpenedArtifact(
        artifact=Artifact("torchscript", "float32", path, hashlib.sha256(data).hexdigest(), len(data), spec),
        backend=TorchBackend(module, device),
        weights=weights,
        engines=engines_of(watched.load, device),
        layers=partial(layers_of, watched),
        training=partial(training_operators, watched),
        expression=partial(expression_of, watched),
        structure=(
            _known_records(records),
            Check("axes", "inputs and outputs", "not_applicable", detail="A trace declares none: see batch sizes."),
            local_paths(texts),
        ),
        numbers=fractions | _unnamed(records, constants),
    )


def _load(data: bytes, device: str) -> Any:
    import torch

    target = torch_device(device)
    with _deprecated_api():
        try:
            return torch.jit.load(io.BytesIO(data), map_location=target)
        except (RuntimeError, ValueError) as error:
            raise ArtifactError(f"libtorch cannot open it: {str(error).splitlines()[0]}") from None


@contextlib.contextmanager
def _deprecated_api() -> Iterator[None]:
    """Keep torch from telling our users that TorchScript is deprecated: it works, and they asked for it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        yield


def _unmangled(records: dict[str, bytes]) -> dict[str, bytes]:
    """Take away the serial number that torch puts into the class's name from the second trace in a process on."""
    renamed = {}
    for name, contents in records.items():
        if name.startswith("code/"):
            name, contents = _plain_module_file(name), _MANGLED.sub(b"", contents)
        elif name == "data.pkl":
            contents = re.sub(rb"\.___torch_mangle_\d+\n", b"\n", contents)
        renamed[name] = contents
    return renamed


def _plain_module_file(name: str) -> str:
    return re.sub(r"/___torch_mangle_\d+\.py$", ".py", name)


def _names(constants: list["Tensor"], tensors: "Mapping[str, Tensor]") -> list[list[str]]:
    """Give the names of each constant in the network: the archive itself has only numbers.

    Tensors with the same bits share a constant. One number by itself, which stands in the network's code, has no name.

    Raises:
        InputError: a constant is none of the network's tensors.
    """
    left: dict[object, list[str]] = {}
    for name, tensor in tensors.items():
        left.setdefault(_bits(tensor), []).append(name)
    uses = Counter(map(_bits, constants))
    found = []
    for constant in constants:
        bits = _bits(constant)
        names = left.get(bits, [])
        uses[bits] -= 1
        if not names and constant.ndim:
            raise InputError(
                f"The network computes with a tensor of shape {list(constant.shape)} that is none of its parameters or "
                f"buffers as they are: register it as a buffer, or export to another format."
            )
        taken = names[:1] if uses[bits] else names
        left[bits] = names[len(taken) :]
        found.append(taken)
    return found


def _bits(tensor: "Tensor") -> tuple[object, ...]:
    """Give what two tensors have in common that are the same, even where they hold NaN, which equals nothing."""
    return tensor.dtype, tensor.shape, hashlib.sha256(tensor.contiguous().numpy().tobytes()).digest()


def _weights(records: Mapping[str, bytes], constants: list["Tensor"]) -> "dict[str, NDArray[np.float32]]":
    """Give the constants by the names that the archive has for them."""
    names = _names_of(records)
    every = [name for each in names for name in each]
    named = len(names) == len(constants) and len(every) == len(set(every))
    if not named or any(constant.ndim and not each for each, constant in zip(names, constants, strict=True)):
        raise ArtifactError(f"It does not name each of its {len(constants)} weights.")
    sizes = sorted(len(contents) for name, contents in records.items() if name.startswith("constants/"))
    if sizes != sorted(tensor.nbytes for tensor in constants):  # libtorch would read on into other memory
        raise ArtifactError("The sizes of its weights are not those that it states.")
    return {name: c.cpu().numpy() for each, c in zip(names, constants, strict=True) for name in each}


def _unnamed(records: Mapping[str, bytes], constants: list["Tensor"]) -> frozenset[float]:
    """Give the constants that are one fraction by itself; whole numbers are sizes."""
    pairs = zip(_names_of(records), constants, strict=True)
    return frozenset(float(constant) for names, constant in pairs if not names and constant.is_floating_point())


def _names_of(records: Mapping[str, bytes]) -> list[list[str]]:
    """Give the names of each constant: in the file a text, or a list where there are none or several."""
    try:
        found = json.loads(records[_NAMES])
    except (KeyError, ValueError, RecursionError):
        return []
    names = [each if isinstance(each, list) else [each] for each in found] if isinstance(found, list) else []
    return names if all(isinstance(name, str) for each in names for name in each) else []


def _known_records(records: Mapping[str, bytes]) -> Check:
    strange = sorted(name for name in records if not _RECORD.fullmatch(name))
    problem = f"It holds what lenetx never writes: {', '.join(strange)}." if strange else None
    return Check.verdict("file", f"archive of {len(records)} records", problem, "Canonical, checksums right.")


def _require_known_operators(records: Mapping[str, bytes]) -> None:
    """Raise InputError for a network that :func:`open` would refuse to run."""
    try:
        _fractions(records)
    except ArtifactError:
        code = b"".join(contents for name, contents in records.items() if name.startswith("code/")).decode("latin-1")
        strange = ", ".join(unknown_operators(code)) or "branches, attributes or arithmetic with sizes"
        raise InputError(
            f"The network's code has {strange}, which lenetx does not run in TorchScript: export it with --format onnx."
        ) from None


def _fractions(records: Mapping[str, bytes]) -> frozenset[float]:
    """Give the fractions in the code, which is not run unless it is that of a network.

    Raises:
        ArtifactError: the code is not what lenetx writes.
    """
    code = [contents for name, contents in records.items() if name.startswith("code/")]
    numbers = numbers_of(code[0].decode("latin-1")) if len(code) == 1 else None
    if numbers is None:
        raise ArtifactError("Its code is not that of a network of lenetx.")
    return numbers


def _fixed(network: "nn.Module", shape: tuple[int, ...]) -> "nn.Module":
    """Give a module that takes inputs of one shape only, in libtorch too, where no spec is read."""
    from torch import nn

    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: "Tensor") -> "Tensor":
            logits: Tensor = self.network(image.view(shape))
            return logits

    return Fixed().eval()
