"""Export to a shared library that is compiled from the C file, and open it without trusting its machine code.

A record behind the machine code holds the ONNX graph, the compiler, and where the weights lie. Opening writes the C
file from them, compiles it again and rejects a library that differs: what runs was compiled here.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, EngineMissing, ModelSpec
from lenetx_runtime.files import read_bytes
from lenetx_runtime.native import NativeBackend, machine
from lenetx_runtime.native_file import read_record, read_spec, sealed

from ...report import Check
from ..artifact import Artifact, OpenedArtifact
from ..c import opened, sanitized, source_of
from ..c.compile import COMPILERS, first_compiler
from ..c.listing import graph_of
from ..c.reading import rebuilt
from ..c.source import Source, found_bytes
from ..c.steps import Packing
from ..onnx.structure import weights
from .build import FLAGS, STEM, Toolchain, chosen_level, compiled, require_level, toolchain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .. import Batch
    from ..network import Network

__all__ = ["OPTIONS", "describe", "export", "open"]

OPTIONS = {"march": require_level}
"""``march``: the level of processors that the library needs, see ``lenetx_runtime.native_file.LEVELS``."""


def export(network: "Network", *, batch: "Batch" = "dynamic", march: str | None = None) -> bytes:
    """Return the sealed library.

    Args:
        network: the network to export.
        batch: ``"dynamic"``: the library takes any number of images.
        march: the level of processors; the highest that this one has if omitted.

    Raises:
        InputError: the network cannot be written as C, or this processor is below the level.
        EngineMissing: there is no compiler.
    """
    level, tools = chosen_level(march), toolchain(first_compiler())
    return _library(source_of(network, batch, STEM, with_framing=False), tools, level)


def describe(path: Path) -> "tuple[Artifact, Mapping[str, NDArray[np.float32]]]":
    """Return an artifact and its weights without a compiler; what its machine code computes is not checked.

    Raises:
        ArtifactError: the file is damaged or not made by lenetx.
    """
    artifact, source, _ = _read(path)
    return artifact, weights(source.model)


def open(path: Path, *, device: str = "cpu") -> OpenedArtifact:  # noqa: A001  # the verb of every format
    """Compile the library again, and open it if it is the same.

    Raises:
        ArtifactError: the file is damaged, or not what lenetx makes of its graph and weights.
        DeviceUnavailable: another device was requested, or this processor cannot run it.
        EngineMissing: the compiler that made it is not there, or what it compiles cannot be loaded here.
    """
    artifact, source, data = _read(path)
    record = read_record(data)
    tools = _same_toolchain(record)
    if _library(source, tools, record["march"]) != data:
        raise ArtifactError(
            f"It was changed, or made by another version of lenetx: {tools} compiles its graph and weights to "
            "something else. It was not loaded."
        )
    same = Check.verdict("machine code", str(tools), None, "Compiled again from its graph and weights: the same bytes.")
    try:
        backend = NativeBackend(data, artifact.spec, device)
    except ArtifactError as error:  # what was compiled here cannot be loaded here
        raise EngineMissing(str(error)) from None
    return opened(source, artifact, backend, [same], [sanitized(source, tools.compiler)])


def _read(path: Path) -> tuple[Artifact, Source, bytes]:
    data = read_bytes(path, "model")
    spec, record = read_spec(data), read_record(data)
    places = record.get("places")

    def arrays(packings: Mapping[str, Packing | Any]) -> "dict[str, NDArray[np.float32]]":
        if not isinstance(places, dict):
            raise ArtifactError("Its record is damaged.")
        return {
            name: _array(data, places.get(name), held.order.size)
            for name, held in packings.items()
            if isinstance(held, Packing)
        }

    bare = dataclasses.replace(spec, content_sha256=None)
    source = rebuilt(record.get("graph"), bare, STEM, arrays, size=len(data), with_framing=False)
    artifact = Artifact("native", "float32", path, hashlib.sha256(data).hexdigest(), len(data), spec)
    return artifact, source, data


def _array(data: bytes, place: Any, count: int) -> "NDArray[np.float32]":
    import numpy as np

    if not isinstance(place, int) or not 0 <= place <= len(data) - 4 * count:
        raise ArtifactError("Its record does not say where its weights are.")
    return np.frombuffer(data, "<f4", count, place).astype(np.float32)


def _same_toolchain(record: Mapping[str, Any]) -> Toolchain:
    """Return the compiler that made a library.

    Raises:
        EngineMissing: it is not on this machine, or in another version.
    """
    made_by = Toolchain(*(str(record.get(name)) for name in ("compiler", "version", "linker")))
    if made_by.compiler not in COMPILERS:
        raise ArtifactError(f"Its compiler is none of {', '.join(COMPILERS)}.")
    try:
        here = toolchain(made_by.compiler)
    except EngineMissing:
        here = None
    if made_by != here:
        raise EngineMissing(
            f"A native library is opened by compiling it again, with {made_by}. Here is {here or 'no such compiler'}: "
            "install that one, or export the library here."
        )
    return here


def _library(source: Source, tools: Toolchain, level: str) -> bytes:
    """Return the whole file."""
    code = compiled(source, tools.compiler, level)
    packed = {name: held for name, held in source.program.arrays.items() if isinstance(held, Packing)}
    record = {
        **dataclasses.asdict(tools),
        "flags": [*FLAGS, f"-march={level}"],
        "graph": graph_of(source.model, frozenset(held.weight for held in packed.values())),
        "machine": machine(),
        "march": level,
        "places": {name: _place(code, source, held, tools) for name, held in packed.items()},
        "scratch": found_bytes(source.program),
    }
    return sealed(code, _empty(source.spec), json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False))


def _empty(spec: ModelSpec) -> str:
    return dataclasses.replace(spec, content_sha256="0" * 64).to_json()


def _place(code: bytes, source: Source, held: Packing, tools: Toolchain) -> int:
    """Return the offset of a weight's array in the machine code."""
    from onnx import numpy_helper

    (tensor,) = (each for each in source.model.graph.initializer if each.name == held.weight)
    values = numpy_helper.to_array(tensor).ravel()[held.order.ravel()]
    place = code.find(values.astype("<f4").tobytes())
    if place < 0:
        raise EngineMissing(f"{tools} does not keep the weight '{held.weight}' in one piece.")
    return place
