"""TorchScript: a frozen trace in a canonical archive, for programs that embed libtorch."""

import contextlib
import dataclasses
import hashlib
import io
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, ModelSpec
from lenetx_runtime.files import read_bytes
from lenetx_runtime.spec import METADATA_KEY

from .. import archive
from ..artifact import Artifact, OpenedArtifact
from ..devices import torch_device
from ..eager import TorchBackend
from ..report import Check
from .local_paths import local_paths

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
    r"code/.+\.py|constants/\d+|(data|constants)\.pkl|version|byteorder|\.format_version|\.storage_alignment|"
    + "|".join(map(re.escape, (_SPEC, _NAMES)))
)
_OPERATORS = ("_convolution", "avg_pool2d", "flatten", "linear", "max_pool2d", "relu", "tanh", "view")
"""All that the built-in networks are made of."""
_VALUE = r"(?:\w+|CONSTANTS\.c\d+|\[\d+(?:,\ \d+)*\])"
_CODE = re.compile(
    rf"""
    class\ \w+\(Module\):\n
    \ \ __parameters__\ =\ \[\]\n
    \ \ __buffers__\ =\ \[\]\n
    \ \ def\ forward\(self:\ [\w.]+,\n
    \ \ \ \ \w+:\ Tensor\)\ ->\ Tensor:\n
    (?:\ \ \ \ \w+\ =\ torch\.(?:{"|".join(_OPERATORS)})\({_VALUE}(?:,\ {_VALUE})*\)\n)+
    \ \ \ \ return\ \w+\n
    """,
    re.VERBOSE | re.ASCII,
)
"""One method, a straight line of calls of these: no branch, no loop, no text, no fraction."""
_TRACE_BATCH = 2
"""A sample of batch 1 can freeze the batch axis (pytorch#151582)."""


def export(checkpoint: "Checkpoint", *, batch: "Batch" = "dynamic", opset: int | None = None) -> bytes:  # noqa: ARG001
    """Give the archive; ``opset`` means nothing to this format."""
    import torch

    module = (
        checkpoint.module()
        if batch == "dynamic"
        else _fixed(checkpoint.module(), (batch, *checkpoint.spec.input_shape))
    )
    spec = dataclasses.replace(checkpoint.spec, batch=batch)
    sample = torch.zeros(_TRACE_BATCH if batch == "dynamic" else batch, *spec.input_shape)
    buffer = io.BytesIO()
    with _deprecated_api():
        torch.jit.save(torch.jit.freeze(torch.jit.trace(module, sample)), buffer)
    records = _unmangled(archive.normalise(buffer.getvalue()))
    constants = _constants(_load(archive.pack(records), "cpu"))  # their order is that of a module that was loaded
    records[_SPEC] = spec.to_json().encode()
    records[_NAMES] = json.dumps(_names(constants, checkpoint.state_dict)).encode()
    return archive.pack(records)


def open(path: Path, *, device: str = "cpu") -> OpenedArtifact:  # noqa: A001  # the verb of every format
    """Open the archive with libtorch."""
    data = read_bytes(path, "model")
    records = archive.unpack(data)
    try:
        spec = ModelSpec.from_json(records[_SPEC].decode())
    except (KeyError, ValueError):
        raise ArtifactError("It is not a model that lenetx made: it carries no lenetx spec.") from None
    _refuse_other_code(records)
    module = _load(data, device)
    weights = _weights(records, _constants(module))
    texts = [contents for name, contents in records.items() if not name.startswith("constants/")]
    return OpenedArtifact(
        artifact=Artifact("torchscript", "float32", path, hashlib.sha256(data).hexdigest(), len(data), spec),
        backend=TorchBackend(module, device),
        weights=weights,
        structure=(
            _known_records(records),
            Check("axes", "inputs and outputs", "not_applicable", detail="A trace declares none: see batch sizes."),
            local_paths(texts),
        ),
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


def _constants(module: Any) -> list["Tensor"]:
    """Give the tensors among the constants of a frozen module in the order of the graph: it has no state_dict."""
    nodes = module.graph.findAllNodes("prim::Constant")
    return [node.t("value") for node in nodes if node.output().type().kind() == "TensorType"]


def _names(constants: list["Tensor"], state_dict: "Mapping[str, Tensor]") -> list[str]:
    """Give the name of each constant in the checkpoint: the archive itself has only numbers."""
    left = dict(state_dict)
    names = []
    for constant in constants:
        name = next((name for name, tensor in left.items() if _same_bits(tensor, constant)), None)
        assert name is not None, "freezing changed a weight, or added one"
        del left[name]
        names.append(name)
    return names


def _same_bits(one: "Tensor", other: "Tensor") -> bool:
    """Say whether two tensors are the same even where they hold NaN, which equals nothing."""
    return (one.dtype, one.shape) == (other.dtype, other.shape) and one.numpy().tobytes() == other.numpy().tobytes()


def _weights(records: Mapping[str, bytes], constants: list["Tensor"]) -> "dict[str, NDArray[np.float32]]":
    """Give the constants by the names that the archive has for them."""
    try:
        names = json.loads(records[_NAMES])
    except (KeyError, ValueError, RecursionError):
        names = None
    known = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not known or not len(names) == len(set(names)) == len(constants):
        raise ArtifactError(f"It does not name each of its {len(constants)} weights.")
    sizes = sorted(len(contents) for name, contents in records.items() if name.startswith("constants/"))
    if sizes != sorted(tensor.nbytes for tensor in constants):  # libtorch would read on into other memory
        raise ArtifactError("The sizes of its weights are not those that it states.")
    return {name: tensor.cpu().numpy() for name, tensor in zip(names, constants, strict=True)}


def _known_records(records: Mapping[str, bytes]) -> Check:
    strange = sorted(name for name in records if not _RECORD.fullmatch(name))
    problem = f"It holds what lenetx never writes: {', '.join(strange)}." if strange else None
    return Check.verdict("file", f"archive of {len(records)} records", problem, "Canonical, checksums right.")


def _refuse_other_code(records: Mapping[str, bytes]) -> None:
    """Let nothing run but the operators of a network, one after the other: TorchScript can write files.

    The text is matched as a whole, since to read it as Python does is not to read it as libtorch does: a comment that
    names an encoding makes Python take code for a text.

    Raises:
        ArtifactError: the code is not what lenetx writes.
    """
    code = [contents for name, contents in records.items() if name.startswith("code/")]
    if len(code) != 1 or not _CODE.fullmatch(code[0].decode("latin-1")):
        raise ArtifactError("Its code is not that of a network of lenetx.")


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
