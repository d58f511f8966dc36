"""Export to one C99 file with its header, for any device with a C compiler, and open it with the compilers found here.

The file is written from the ONNX graph. A comment holds that graph and the spec; the weights are in the program's
arrays. Opening reads both, writes the file again and rejects one that differs: a compiler gets only what was written
here.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError
from lenetx_runtime.backend import Backend
from lenetx_runtime.files import read_bytes
from lenetx_runtime.spec import ADOPTED, FLOAT32, INT8

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
from .compile import compilers, first_compiler, lacks_sanitizers
from .int8.opening import shown
from .reading import read
from .session import CompiledBackend, SanitizedBackend
from .source import Source, header, identifier, require_stem, written

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = [
    "OPTIONS",
    "PRECISIONS",
    "companion",
    "export",
    "open",
    "open_with_source",
    "opened",
    "sanitized",
    "source_of",
]

_USUAL = ("-O2",)
_FLAGS = (("-O0",), _USUAL, ("-O3", "-march=native"))
OPTIONS: dict[str, Callable[[Any], None]] = {
    "stem": require_stem,
    "with_framing": lambda _: None,
    "precision": lambda _: None,
    "sample": lambda _: None,
}
"""``stem``: the name of the file without its suffix; identifiers begin with it, and the header has it.

``with_framing``: whether the file takes pictures of any size. The others are those of ``export``.
"""
PRECISIONS = (FLOAT32, INT8)
_LARGEST = 2**30


def export(
    network: Network,
    *,
    batch: Any = "dynamic",
    stem: str | None = None,
    with_framing: bool = True,
    precision: str = FLOAT32,
    sample: Sample | None = None,
) -> bytes:
    """Return the C file.

    Args:
        network: the network to export.
        batch: ``"dynamic"``: each call computes one image.
        stem: the name of the file without its suffix; the architecture's if omitted.
        with_framing: whether it takes pictures of any size, if the spec's framing is offered in C.
        precision: ``float32`` or ``int8``.
        sample: the calibration images for int8.

    Raises:
        InputError: an operator, or a use of one, has no C, or the batch is fixed.
    """
    if precision == FLOAT32:
        return source_of(network, batch, stem, with_framing=with_framing).text.encode("ascii")
    _require_dynamic(batch)
    model, spec = reduced(_model(network), dataclasses.replace(network.spec, batch=batch), precision, sample)
    name = stem or f"{identifier(spec.architecture)}_{precision}"
    return written(model, spec, name, with_framing=with_framing).text.encode("ascii")


def source_of(
    network: Network, batch: Any = "dynamic", stem: str | None = None, *, with_framing: bool = True
) -> Source:
    """Return the C file with what it was written from; arguments and errors are those of ``export``."""
    _require_dynamic(batch)
    spec = dataclasses.replace(network.spec, batch=batch)
    return written(_model(network), spec, stem or identifier(spec.architecture), with_framing=with_framing)


def _require_dynamic(batch: Any) -> None:
    if batch != "dynamic":
        raise InputError("A C file computes one image per call, so it has no fixed batch size.")


def _model(network: Network) -> "ModelProto":
    import onnx

    model = onnx.load_from_string(onnx_format.export(network))
    del model.metadata_props[:]
    return model


def _int8(network: Network, sample: Sample) -> "ModelProto":
    return reduced(_model(network), network.spec, INT8, sample)[0]


def companion(data: bytes) -> bytes:
    """Return the header of a C file."""
    return header(_read(data)).encode("ascii")


def open(path: Path, *, device: str = "cpu") -> OpenedArtifact:  # noqa: A001  # the verb of every format
    """Compile the file and open it.

    Raises:
        ArtifactError: the file is damaged or not made by lenetx.
        DeviceUnavailable, EngineMissing: another device was requested, or there is no compiler.
    """
    return open_with_source(path, device)[0]


def open_with_source(path: Path, device: str) -> tuple[OpenedArtifact, Source]:
    """Open a file, and return with it what was read; arguments and errors are those of ``open``."""
    data = read_bytes(path, "model")
    source, digest = _read(data), hashlib.sha256(data).hexdigest()
    is_foreign = source.spec.origin == ADOPTED
    backend = CompiledBackend(source, first_compiler(), _USUAL, device)
    found = opened(
        source,
        Artifact("c", source.spec.precision, path, digest, len(data), source.spec, is_foreign=is_foreign),
        backend,
        [_header(source, path)],
        _runs(source, backend),
    )
    return found, source


def opened(
    source: Source, artifact: Artifact, backend: Backend, structure: Sequence[Check], runs: Sequence[Run]
) -> OpenedArtifact:
    """Return an artifact that was compiled from a C file.

    Args:
        source: the C file.
        artifact: what was opened.
        backend: runs it.
        structure: its own checks, beside those of the graph.
        runs: further runs.
    """
    model, spec = source.model, source.spec
    common: dict[str, Any] = {
        "artifact": artifact,
        "backend": backend,
        "structure": (*onnx_structure(model, spec), *structure),
        "runs": tuple(runs),
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
        matches_new_export=lambda network: _matches_new_export(network, source),
        evaluate=lambda inputs: evaluate(model, spec, inputs),
    )


def _matches_new_export(network: Network, source: Source) -> bool:
    """Return whether a new export of the network gives the same file."""
    return source_of(network, stem=source.stem, with_framing=source.with_framing).text == source.text


def _read(data: bytes) -> Source:
    if len(data) > _LARGEST:
        raise ArtifactError("It is larger than 1 GiB.")
    try:
        return read(data.decode("ascii"))
    except UnicodeDecodeError:
        raise ArtifactError("It was not written by lenetx: it holds letters other than ASCII.") from None


def _runs(source: Source, usual: Backend) -> list[Run]:
    """Return the runs of a C file that this machine has; ``usual`` is its backend, which is one of them."""
    found, first = [], first_compiler()
    for compiler in compilers():
        for flags in _FLAGS:
            is_usual = (compiler, flags) == (first, _USUAL)
            opening = (lambda: usual) if is_usual else partial(CompiledBackend, source, compiler, flags)
            found.append(Run(f"{compiler} {' '.join(flags)}", opening, is_whole=True))
    return [*found, sanitized(source, first)]


def sanitized(source: Source, compiler: str) -> Run:
    """Return the run of a C file under sanitizers; it is missing if the compiler has none."""
    name = f"{compiler}, address and undefined-behaviour sanitizers"
    return Run(name, partial(SanitizedBackend, source, compiler), lacks_sanitizers(compiler), is_whole=True)


def _header(source: Source, path: Path) -> Check:
    """Check the header beside the file, if there is one."""
    place = path.with_name(f"{source.stem}.h")
    if not place.is_file():
        return Check.verdict(
            "header", place.name, None, "It is not beside the file; lenetx writes it when it publishes."
        )
    own = header(source).encode("ascii")
    try:
        problem = None if read_bytes(place, "header", limit=len(own)) == own else "It is not the one of this file."
    except InputError as error:
        problem = str(error)
    return Check.verdict("header", place.name, problem, "As lenetx writes it.")
