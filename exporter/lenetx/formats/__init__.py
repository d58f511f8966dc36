"""Export and open artifacts of any format. A format is one module with the same three names, and one line here.

``export(network, batch=…, **options) -> bytes`` returns the file's contents, the same bytes for the same checkpoint.
``open(path, device=…) -> OpenedArtifact`` reopens it with the engine that users will use. ``OPTIONS`` maps each
format-specific option to the function that checks its value.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from lenetx_runtime import ArtifactError, InputError
from lenetx_runtime.files import read_bytes, require_file
from lenetx_runtime.spec import FLOAT32

from ..data import archive
from ..errors import UnknownName
from ..weights import torchscript_file
from .artifact import OpenedArtifact
from .spec_record import SPEC

if TYPE_CHECKING:
    from .network import Network

__all__ = [
    "COMPANIONS",
    "DEFAULT",
    "FORMATS",
    "Batch",
    "Format",
    "companions",
    "export",
    "get",
    "is_artifact",
    "open_artifact",
    "precisions",
    "require",
    "require_options",
    "suffix",
]

FORMATS = {
    "onnx": "lenetx.formats.onnx",
    "torchscript": "lenetx.formats.torchscript",
    "pt2": "lenetx.formats.pt2",
    "ort": "lenetx.formats.ort",
    "openvino": "lenetx.formats.openvino",
    "c": "lenetx.formats.c",
}
DEFAULT = ("onnx", "torchscript")
"""The formats of an export if none are named."""
COMPANIONS = {"ort": ".required_operators.config", "c": ".h"}
"""The formats of which a second file is published: ``companion(data) -> bytes``; its suffix replaces the artifact's.

A C file says how its header is called: ``companion_name(data) -> str``.
"""
_ARCHIVES = (".torchscript", ".pt2")
"""Suffixes of archives that other programs write too."""

_NEEDED = {
    "raw_input": (False, "take float32 inputs only; raw input is"),
    "probabilities": (False, "return the network's own output only; probabilities are"),
}
"""Options that change what a file computes, which no format may ignore: the default, and what other formats do."""

Batch = int | Literal["dynamic"]


class Format(Protocol):
    """The interface of each module in ``FORMATS``."""

    OPTIONS: Mapping[str, Callable[[Any], None]]

    def export(self, network: "Network", *, batch: Batch, **options: Any) -> bytes:
        """Return the contents of the exported file."""

    def open(self, path: Path, *, device: str) -> OpenedArtifact:
        """Open a file of this format. ``open_artifact`` adds the file name to errors."""


def require(name: str) -> None:
    """Check that a format exists.

    Raises:
        UnknownName: there is no such format.
    """
    if name not in FORMATS:
        raise UnknownName("format", name, FORMATS)


def get(name: str) -> Format:
    """Return a format by name.

    Raises:
        UnknownName: there is no such format.
    """
    require(name)
    return cast("Format", importlib.import_module(FORMATS[name]))


def require_options(names: Sequence[str], options: Mapping[str, Any]) -> None:
    """Check format-specific options.

    Args:
        names: the requested formats.
        options: values by option name.

    Raises:
        InputError: an option applies to none of the formats, or its value is invalid.
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
    """Export a network and return the file's contents.

    Args:
        name: the format.
        network: the network to export.
        batch: ``"dynamic"`` or a fixed batch size.
        options: format-specific options; those of other formats are ignored.

    Raises:
        UnknownName: there is no such format.
        InputError: the format cannot represent the network, or the network's code raised an error.
    """
    exporter = get(name)
    for option, (usual, words) in _NEEDED.items():
        value = (options or {}).get(option, usual)
        if value != usual and option not in exporter.OPTIONS:
            others = ", ".join(each for each in FORMATS if option in get(each).OPTIONS)
            raise InputError(f"{name} files {words.format(value)} available as: {others}.")
    precision = (options or {}).get("precision", FLOAT32)
    if precision not in precisions(name):
        others = ", ".join(each for each in FORMATS if precision in precisions(each))
        raise InputError(
            f"{name} files are {' or '.join(precisions(name))} only; {precision} is available as: {others}."
        )
    own = {option: value for option, value in (options or {}).items() if option in exporter.OPTIONS}
    with network.checkpoint.guard(f" on its way to {name}"):
        return exporter.export(network, batch=batch, **own)


def precisions(name: str) -> tuple[str, ...]:
    """Return the precisions in which a format can be exported: its ``PRECISIONS``, or float32."""
    found: tuple[str, ...] = getattr(get(name), "PRECISIONS", (FLOAT32,))
    return found


def suffix(name: str) -> str:
    """Return a format's file name suffix, including the dot."""
    return f".{name}"


def companions(name: str, path: Path) -> dict[str, bytes]:
    """Return the files to publish beside an artifact of a format, by name."""
    if name not in COMPANIONS:
        return {}
    module, data = importlib.import_module(FORMATS[name]), read_bytes(path, "artifact")
    own = getattr(module, "companion_name", lambda _: path.with_suffix(COMPANIONS[name]).name)
    return {own(data): module.companion(data)}


def is_artifact(path: Path) -> bool:
    """Return whether a file has the suffix of a format and is not an archive that another program wrote with torch."""
    if path.suffix.removeprefix(".") not in FORMATS:
        return False
    if path.suffix not in _ARCHIVES:
        return True
    data = read_bytes(path, "artifact")
    of_torch = torchscript_file.recognises(data) or archive.has(data, "archive_format")
    return not of_torch or archive.has(data, SPEC)


def open_artifact(path: Path, *, device: str = "cpu") -> OpenedArtifact:
    """Open an artifact; its file name suffix determines the format.

    Args:
        path: the file.
        device: where it runs: ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: the path is missing, is a directory or has an unknown suffix.
        ArtifactError: the file is unreadable, damaged or not made by lenetx.
        DeviceUnavailable, EngineMissing: the device or the engine is not available.
    """
    name = path.suffix.removeprefix(".")
    if name not in FORMATS:
        require_file(path, "artifact")
        endings = ", ".join(map(suffix, FORMATS))
        raise InputError(
            f"'{path}' is not an artifact of a known format; their names end in {endings}; "
            "checkpoints in .pt or .safetensors, which 'lenetx convert' makes of other weights."
        )
    try:
        return get(name).open(path, device=device)
    except ArtifactError as error:
        raise ArtifactError(f"'{path}' cannot be used. {error}") from None
