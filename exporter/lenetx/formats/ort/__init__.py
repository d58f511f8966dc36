"""Export to onnxruntime's own format and open it: it loads faster than ONNX, also in builds without ONNX's reader."""

import dataclasses
import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError
from lenetx_runtime.files import read_bytes
from lenetx_runtime.ort import OrtBackend
from lenetx_runtime.ort_file import read_spec, seal
from lenetx_runtime.ort_session import import_engine
from lenetx_runtime.spec import METADATA_KEY, ModelSpec

from ...graph import of_onnx
from .. import onnx as onnx_format
from ..artifact import Artifact, OpenedArtifact
from ..onnx.parse import parse
from ..onnx.runs import sessions_of
from ..onnx.structure import constants, numbers, training_operators, weights
from .contents import Contents, read, write
from .convert import converted
from .structure import ENGINE, required_operators, structure, without_metadata
from .translate import as_onnx, fuse

if TYPE_CHECKING:
    from .. import Batch
    from ..network import Network

__all__ = ["OPTIONS", "companion", "export", "open"]

OPTIONS: dict[str, Any] = {}
"""This format has no options of its own."""


def export(network: "Network", *, batch: "Batch" = "dynamic") -> bytes:
    """Return a sealed ORT file: the graph of the ONNX file, with activations fused into the layers before them.

    Args:
        network: the network to export.
        batch: ``"dynamic"`` or a fixed batch size.

    Raises:
        EngineMissing: onnxruntime is not installed.
        InputError: the network cannot be exported to ONNX, or onnxruntime cannot write it in its own format.
    """
    import onnx

    model = onnx.load_from_string(onnx_format.export(network, batch=batch))
    spec = dataclasses.replace(network.spec, batch=batch, content_sha256="0" * 64)
    del model.metadata_props[:]
    for key, value in ((METADATA_KEY, spec.to_json()), (ENGINE, import_engine().__version__)):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    fuse(model)
    data = seal(write(converted(model)))
    try:
        read_spec(data)
    except ArtifactError as error:
        raise InputError(f"The network cannot be written in ORT format. {error}") from None
    return data


def companion(data: bytes) -> bytes:
    """Return the configuration of a minimal build of onnxruntime that runs this file."""
    return required_operators(read(data))


def open(path: Path, *, device: str = "cpu") -> OpenedArtifact:  # noqa: A001  # the verb of every format
    """Open the file with onnxruntime, and translate it to ONNX for the proof.

    Raises:
        ArtifactError: the file is damaged or not made by lenetx.
        DeviceUnavailable, EngineMissing: the device or onnxruntime is not available.
    """
    data = read_bytes(path, "model")
    spec = read_spec(data)
    contents = read(data)
    if write(contents) != data:
        raise ArtifactError("It was not written by lenetx: lenetx writes the same contents differently.")
    again = partial(parse, as_onnx(contents).SerializeToString(deterministic=True))
    model = again()
    return OpenedArtifact(
        artifact=Artifact("ort", "float32", path, hashlib.sha256(data).hexdigest(), len(data), spec),
        backend=OrtBackend(data, spec, device=device),
        structure=structure(contents, model, spec),
        weights=weights(model),
        numbers=numbers(model),
        constants=constants(model),
        runs=sessions_of(data, spec, device),
        training=lambda: training_operators(again()),
        expression=lambda names: of_onnx(again(), names),
        matches_new_export=lambda network: _matches_new_export(contents, spec, network),
    )


def _matches_new_export(contents: Contents, spec: ModelSpec, network: "Network") -> bool:
    """Return whether a new export of the network gives the same file, apart from its metadata."""
    return without_metadata(contents) == without_metadata(read(export(network, batch=spec.batch)))
