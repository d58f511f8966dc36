"""Export and open artifacts of any format. A format is one module with the same three names, and one line here.

``export(network, batch=…, **options) -> bytes`` returns the file's contents, the same bytes for the same checkpoint.
``open(path, device=…) -> OpenedArtifact`` reopens it with the engine that users will use. ``OPTIONS`` maps each
format-specific option to the function that checks its value.
"""

import contextlib
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from lenetx_runtime import ArtifactError, InputError, ModelSpec
from lenetx_runtime.backend import Backend
from lenetx_runtime.files import read_bytes, require_file
from lenetx_runtime.opening import as_request
from lenetx_runtime.spec import FLOAT32

from ..data import archive
from ..errors import UnknownName
from ..weights import torchscript_file
from .artifact import Artifact, OpenedArtifact
from .claims import require_true
from .spec_record import SPEC

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .network import Network

__all__ = [
    "COMPANIONS",
    "DEFAULT",
    "FORMATS",
    "SUFFIXES",
    "Batch",
    "Format",
    "companions",
    "describe_artifact",
    "export",
    "get",
    "is_artifact",
    "of_suffix",
    "open_artifact",
    "precisions",
    "require",
    "require_options",
    "require_precision",
    "spec_and_backend",
    "suffix",
]

FORMATS = {
    "onnx": "lenetx.formats.onnx",
    "torchscript": "lenetx.formats.torchscript",
    "pt2": "lenetx.formats.pt2",
    "ort": "lenetx.formats.ort",
    "openvino": "lenetx.formats.openvino",
    "executorch": "lenetx.formats.executorch",
    "c": "lenetx.formats.c",
    "native": "lenetx.formats.native",
}
DEFAULT = ("onnx", "torchscript")
"""The formats of an export if none are named."""
COMPANIONS = {"ort": ".required_operators.config", "c": ".h"}
"""The formats of which a second file is published: ``companion(data) -> bytes``; its suffix replaces the artifact's."""
SUFFIXES = {"executorch": ".pte", "native": ".so"}
"""Of the formats whose files do not end in the format's name."""
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


def require_precision(names: Sequence[str], precision: str) -> None:
    """Check that a format is offered in a precision.

    Args:
        names: the requested formats.
        precision: ``float32``, ``float16`` or ``int8``.

    Raises:
        InputError: none of them is.
    """
    if not any(precision in precisions(name) for name in names):
        others = ", ".join(each for each in FORMATS if precision in precisions(each))
        raise InputError(
            f"{names[0]} files are {' or '.join(precisions(names[0]))} only; {precision} is available as: {others}."
        )


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
    require_precision([name], (options or {}).get("precision", FLOAT32))
    own = {option: value for option, value in (options or {}).items() if option in exporter.OPTIONS}
    with network.checkpoint.guard(f" on its way to {name}"):
        return exporter.export(network, batch=batch, **own)


def precisions(name: str) -> tuple[str, ...]:
    """Return the precisions in which a format can be exported: its ``PRECISIONS``, or float32."""
    found: tuple[str, ...] = getattr(get(name), "PRECISIONS", (FLOAT32,))
    return found


def suffix(name: str) -> str:
    """Return a format's file name suffix, including the dot."""
    return SUFFIXES.get(name, f".{name}")


def of_suffix(ending: str) -> str | None:
    """Return the format whose file names have a suffix; ``None`` if there is none."""
    return next((name for name in FORMATS if suffix(name) == ending), None)


def companions(name: str, path: Path) -> dict[str, bytes]:
    """Return the files to publish beside an artifact of a format, by name."""
    if name not in COMPANIONS:
        return {}
    contents: bytes = importlib.import_module(FORMATS[name]).companion(read_bytes(path, "artifact"))
    return {path.with_suffix(COMPANIONS[name]).name: contents}


def is_artifact(path: Path) -> bool:
    """Return whether a file has the suffix of a format and is not an archive that another program wrote with torch."""
    if of_suffix(path.suffix) is None:
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
    name = of_suffix(path.suffix)
    if name is None:
        require_file(path, "artifact")
        endings = ", ".join(map(suffix, FORMATS))
        raise InputError(
            f"'{path}' is not an artifact of a known format; their names end in {endings}; "
            "checkpoints in .pt or .safetensors, which 'lenetx convert' makes of other weights."
        )
    with _naming(path):
        return require_true(get(name).open(path, device=device), precisions(name))


def describe_artifact(path: Path) -> "tuple[Artifact, Mapping[str, NDArray[np.float32]] | None]":
    """Return an artifact and its weights; a native library is only read. Errors are those of ``open_artifact``."""
    if of_suffix(path.suffix) != "native":
        opened = open_artifact(path)
        return opened.artifact, opened.weights
    from .native import describe

    with _naming(path):
        return describe(path)


def spec_and_backend(path: Path, *, device: str, allow_native: bool) -> tuple[ModelSpec, Backend]:
    """Return the spec of an artifact and what runs it; a native library is loaded as it is, only if that is allowed.

    Errors are those of ``open_artifact``.
    """
    if of_suffix(path.suffix) == "native":
        given = as_request(path, None, device=device, allow_native=allow_native).open()
        return given.spec, given.backend
    opened = open_artifact(path, device=device)
    return opened.artifact.spec, opened.backend


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Add a file's name to an ``ArtifactError``."""
    try:
        yield
    except ArtifactError as error:
        raise ArtifactError(f"'{path}' cannot be used. {error}") from None
