"""The export formats: one file each with the same two verbs, and a line here.

``export(network, batch=…, **options) -> bytes`` returns the file's contents, the same bytes for the same checkpoint.
``open(path, device=…) -> OpenedArtifact`` reopens it with the engine that users will use. ``OPTIONS`` holds what only
that format understands, each with the function that checks its value.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from lenetx_runtime import ArtifactError, InputError
from lenetx_runtime.files import require_file

from ..errors import UnknownName
from .artifact import OpenedArtifact

if TYPE_CHECKING:
    from .network import Network

__all__ = [
    "DEFAULT",
    "FORMATS",
    "Batch",
    "Format",
    "export",
    "get",
    "open_artifact",
    "require",
    "require_options",
    "suffix",
]

FORMATS = {"onnx": "lenetx.formats.onnx", "torchscript": "lenetx.formats.torchscript"}
DEFAULT = tuple(FORMATS)

Batch = int | Literal["dynamic"]


class Format(Protocol):
    """What each module of ``FORMATS`` is."""

    OPTIONS: Mapping[str, Callable[[Any], None]]

    def export(self, network: "Network", *, batch: Batch, **options: Any) -> bytes:
        """Return the contents of the file."""

    def open(self, path: Path, *, device: str) -> OpenedArtifact:
        """Open a file of this format; errors that name no file are completed by ``open_artifact``."""


def require(name: str) -> None:
    """Check that there is a format of that name.

    Raises:
        UnknownName: there is none.
    """
    if name not in FORMATS:
        raise UnknownName("format", name, FORMATS)


def get(name: str) -> Format:
    """Return a format by name.

    Raises:
        UnknownName: no such format.
    """
    require(name)
    return cast("Format", importlib.import_module(FORMATS[name]))


def require_options(names: Sequence[str], options: Mapping[str, Any]) -> None:
    """Raise if an option applies to none of the formats, or has a value that it cannot have.

    Raises:
        InputError: so it is.
    """
    for option, value in options.items():
        knowing = [name for name in FORMATS if option in get(name).OPTIONS]
        if not set(knowing) & set(names):
            raise InputError(
                f"The option {option} applies only to {', '.join(knowing)}; "
                f"the requested formats are: {', '.join(names)}."
            )
        get(knowing[0]).OPTIONS[option](value)


def export(
    name: str, network: "Network", *, batch: Batch = "dynamic", options: Mapping[str, Any] | None = None
) -> bytes:
    """Return the contents of the file of a format.

    Args:
        name: of the format.
        network: to write.
        batch: ``"dynamic"`` or a fixed batch size.
        options: of any formats; those of others are left out.

    Raises:
        UnknownName: no such format.
        InputError: the format cannot hold the network, or the network's code raised an error.
    """
    exporter = get(name)
    own = {option: value for option, value in (options or {}).items() if option in exporter.OPTIONS}
    with network.checkpoint.guard(f" on its way to {name}"):
        return exporter.export(network, batch=batch, **own)


def suffix(name: str) -> str:
    """Return the file name's ending of a format, with its dot."""
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
