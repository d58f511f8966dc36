"""Export to one C99 file with its header, for any device with a C compiler, and open it with the compilers found here.

The file is written from the ONNX graph. A comment holds that graph and the spec; the weights are in the program's
arrays. Opening reads both, writes the file again and rejects one that differs: a compiler gets only what was written
here.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError
from lenetx_runtime.files import read_bytes
from lenetx_runtime.spec import FLOAT32, INT8

from ...graph import of_onnx
from ...quantization.calibration import Sample
from ...report import Check
from .. import onnx as onnx_format
from ..artifact import Artifact, OpenedArtifact, Run
from ..network import Network
from ..onnx.evaluate import evaluate
from ..onnx.reduced import reduced
from ..onnx.structure import constants, numbers, training_operators, weights
from ..onnx.structure import structure as onnx_structure
from .compile import compilers, first_compiler
from .int8.opening import shown
from .session import CompiledBackend, SanitizedBackend
from .source import Source, header, read, require_name, written

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["OPTIONS", "PRECISIONS", "companion", "companion_name", "export", "open"]

_FLAGS = (("-O0",), ("-O2",), ("-O3", "-march=native"))
OPTIONS: dict[str, Callable[[Any], None]] = {
    "c_name": require_name,
    "precision": lambda _: None,
    "sample": lambda _: None,
}
"""``c_name``: with which every identifier of the C file begins, and the name of its header; else see ``export``."""
PRECISIONS = (FLOAT32, INT8)
_LARGEST = 2**30


def export(
    network: Network,
    *,
    batch: Any = "dynamic",
    c_name: str | None = None,
    precision: str = FLOAT32,
    sample: Sample | None = None,
) -> bytes:
    """Return the C file.

    Args:
        network: the network to export.
        batch: ``"dynamic"``: each call computes one image.
        c_name: with which every identifier begins; the architecture's name if omitted.
        precision: ``float32`` or ``int8``.
        sample: the calibration images for int8.

    Raises:
        InputError: an operator, or a use of one, has no C, or the batch is fixed.
    """
    if batch != "dynamic":
        raise InputError("A C file computes one image per call, so it has no fixed batch size.")
    model, spec = _model(network), dataclasses.replace(network.spec, batch=batch)
    name = c_name or identifier(spec.architecture)
    if precision != FLOAT32:
        model, spec = reduced(model, spec, precision, sample)
        name = c_name or f"{name}_{precision}"
    return written(model, spec, name).text.encode("ascii")


def _model(network: Network) -> "ModelProto":
    import onnx

    model = onnx.load_from_string(onnx_format.export(network))
    del model.metadata_props[:]
    return model


def identifier(words: str) -> str:
    """Return a C identifier for any words."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in words)
    return plain if plain[:1].isalpha() or plain.startswith("_") else f"net_{plain}"


def companion(data: bytes) -> bytes:
    """Return the header of a C file."""
    return header(_read(data)).encode("ascii")


def companion_name(data: bytes) -> str:
    """Return the name of the header: the one that the C file includes."""
    return f"{_read(data).name}.h"


def open(path: Path, *, device: str = "cpu") -> OpenedArtifact:  # noqa: A001  # the verb of every format
    """Compile the file and open it.

    Raises:
        ArtifactError: the file is damaged or not made by lenetx.
        DeviceUnavailable, EngineMissing: another device was requested, or there is no compiler.
    """
    data = read_bytes(path, "model")
    source = _read(data)
    model, spec = source.model, source.spec
    backend, runs = CompiledBackend(source, first_compiler(), ("-O2",), device), tuple(_runs(source))
    common: dict[str, Any] = {
        "artifact": Artifact("c", spec.precision, path, hashlib.sha256(data).hexdigest(), len(data), spec),
        "backend": backend,
        "structure": (*onnx_structure(model, spec), _header(source, path)),
        "runs": runs,
        "training": lambda: training_operators(model),
    }
    if spec.precision == INT8:
        return OpenedArtifact(**common, **shown(source, runs, _int8))
    return OpenedArtifact(
        **common,
        weights=weights(model),
        numbers=numbers(model),
        constants=constants(model),
        expression=lambda names: of_onnx(model, names),
        matches_new_export=lambda network: export(network, c_name=source.name) == data,
        evaluate=lambda inputs: evaluate(model, spec, inputs),
    )


def _int8(network: Network, sample: Sample) -> "ModelProto":
    return reduced(_model(network), network.spec, INT8, sample)[0]


def _read(data: bytes) -> Source:
    if len(data) > _LARGEST:
        raise ArtifactError("It is larger than 1 GiB.")
    try:
        return read(data.decode("ascii"))
    except UnicodeDecodeError:
        raise ArtifactError("It was not written by lenetx: it holds letters other than ASCII.") from None


def _runs(source: Source) -> list[Run]:
    found = [
        Run(f"{compiler} {' '.join(flags)}", partial(CompiledBackend, source, compiler, flags))
        for compiler in compilers()
        for flags in _FLAGS
    ]
    sanitized = first_compiler()
    return [
        *found,
        Run(f"{sanitized}, address and undefined-behaviour sanitizers", partial(SanitizedBackend, source, sanitized)),
    ]


def _header(source: Source, path: Path) -> Check:
    """Check the header beside the file, if there is one."""
    place = path.with_name(f"{source.name}.h")
    if not place.is_file():
        return Check.verdict(
            "header", place.name, None, "It is not beside the file; lenetx writes it when it publishes."
        )
    problem = None if place.read_bytes() == header(source).encode("ascii") else "It is not the one of this file."
    return Check.verdict("header", place.name, problem, "As lenetx writes it.")
