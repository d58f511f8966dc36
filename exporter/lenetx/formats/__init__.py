"""The export formats: one file each with the same two verbs, and a line here.

``export(checkpoint, batch=…, opset=…) -> bytes`` gives the file's contents, the same bytes for the same checkpoint.
``open(path, device=…) -> OpenedArtifact`` reopens it with the engine that users will use.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, cast

from lenetx_runtime import ArtifactError, InputError
from lenetx_runtime.files import require_file

from ..errors import UnknownName
from .artifact import OpenedArtifact

if TYPE_CHECKING:
    from ..weights.checkpoint import Checkpoint

__all__ = ["DEFAULT", "FORMATS", "Batch", "Format", "export", "get", "open_artifact", "require", "suffix"]

FORMATS = {"onnx": "lenetx.formats.onnx", "torchscript": "lenetx.formats.torchscript"}
DEFAULT = tuple(FORMATS)

Batch = int | Literal["dynamic"]


class Format(Protocol):
    """What each module of :data:`FORMATS` is."""

    def export(self, checkpoint: "Checkpoint", *, batch: Batch, opset: int | None) -> bytes:
        """Give the contents of the file."""

    def open(self, path: Path, *, device: str) -> OpenedArtifact:
        """Open a file of this format; errors that name no file are completed by :func:`open_artifact`."""


def require(name: str) -> None:
    """Do nothing if there is a format of that name.

    Raises:
        UnknownName: there is none.
    """
    if name not in FORMATS:
        raise UnknownName("format", name, FORMATS)


def get(name: str) -> Format:
    """Give a format by name.

    Raises:
        UnknownName: no such format.
    """
    require(name)
    return cast("Format", importlib.import_module(FORMATS[name]))


def export(name: str, checkpoint: "Checkpoint", *, batch: Batch = "dynamic", opset: int | None = None) -> bytes:
    """Return the contents of the file of a format.

    Raises:
        UnknownName: no such format.
        InputError: the format cannot hold the network, or the network's code raised an error.
    """
    exporter = get(name)
    with checkpoint.guard(f" on its way to {name}"):
        return exporter.export(checkpoint, batch=batch, opset=opset)


def suffix(name: str) -> str:
    """Give the file name's ending of a format, with its dot."""
    return f".{name}"


def open_artifact(path: Path, *, device: str = "cpu") -> OpenedArtifact:
    """Open an artifact of any format, told by its file name's ending.

    Raises:
        InputError: missing, a directory, or of no known ending.
        ArtifactError: unreadable, damaged or not made by lenetx.
        DeviceUnavailable, EngineMissing: what it needs is not there.
    """
    name = path.suffix.removeprefix(".")
    if name not in FORMATS:
        require_file(path, "artifact")
        endings = ", ".join(map(suffix, FORMATS))
        raise InputError(
            f"'{path}' is no artifact that lenetx knows: their names end in {endings}; "
            "checkpoints in .pt or .safetensors, which 'lenetx convert' makes of other weights."
        )
    try:
        return get(name).open(path, device=device)
    except ArtifactError as error:
        raise ArtifactError(f"'{path}' cannot be used. {error}") from None
