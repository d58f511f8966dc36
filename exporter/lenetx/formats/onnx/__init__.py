"""Export to ONNX and open it: one sealed file for ``lenetx_runtime`` and any other engine that reads ONNX."""

import dataclasses
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError
from lenetx_runtime.files import read_bytes
from lenetx_runtime.onnx_file import read_spec, seal
from lenetx_runtime.ort import OrtBackend
from lenetx_runtime.spec import EXPORTED, FLOAT32, INT8, METADATA_KEY, PRECISIONS, ModelSpec

from ...errors import UnknownName
from ...graph import of_onnx
from ...quantization.calibration import Sample
from ..artifact import Artifact, OpenedArtifact
from .evaluate import evaluate
from .intermediates import layers_of
from .parse import parse
from .preprocessing import add_preprocessing, opened_preprocessing, require_preprocessing, without_preprocessing
from .probabilities import add_probabilities, opened_probabilities, require_logits, without_probabilities
from .reduced import open_reduced, reduced
from .runs import runs_of
from .structure import OPSETS, constants, numbers, structure, training_operators, weights

if TYPE_CHECKING:
    import onnx

    from .. import Batch
    from ..network import Network

__all__ = ["DEFAULT_OPSET", "OPSETS", "OPTIONS", "export", "open"]

DEFAULT_OPSET = 18
"""The oldest opset that torch's exporter writes directly, so the one most engines support."""
_TORCH_OPSETS = range(18, 24)


def _require_opset(opset: int) -> None:
    if opset not in OPSETS:
        raise InputError(f"The opset is {opset}; lenetx writes {OPSETS[0]} to {OPSETS[-1]}.")


def _require_precision(precision: str) -> None:
    if precision not in PRECISIONS:
        raise UnknownName("precision", precision, PRECISIONS)


OPTIONS: dict[str, Callable[[Any], None]] = {
    "opset": _require_opset,
    "precision": _require_precision,
    "sample": lambda _: None,
    "raw_input": lambda _: None,
    "probabilities": lambda _: None,
}
"""Options of this format: ``opset``, one of ``OPSETS``; the others are those of ``export``."""


def export(
    network: "Network",
    *,
    batch: "Batch" = "dynamic",
    opset: int | None = None,
    precision: str = FLOAT32,
    sample: Sample | None = None,
    raw_input: bool = False,
    probabilities: bool = False,
) -> bytes:
    """Return a sealed ONNX file: default-domain operators, float32 in and out, one symbolic or fixed batch axis.

    Args:
        network: the network to export.
        batch: ``"dynamic"`` or a fixed batch size.
        opset: one of ``OPSETS``; ``DEFAULT_OPSET`` if omitted.
        precision: of weights and arithmetic: ``float32``, ``float16`` or ``int8``.
        sample: the calibration images for int8.
        raw_input: take uint8 frames, and normalise them in the graph.
        probabilities: add the softmax of the logits as a second output.

    Raises:
        InputError: the opset is not supported, or the network cannot be exported to it, in this precision or with these
            options.
    """
    opset = DEFAULT_OPSET if opset is None else opset
    _require_opset(opset)
    if precision != FLOAT32 and (raw_input or probabilities):
        raise InputError(f"Raw input and probabilities are available in float32 only; the precision is {precision}.")
    if raw_input:
        require_preprocessing(network.spec)
    if probabilities:
        require_logits(network.spec)
    model, spec = _model(network, batch, opset), network.spec
    if precision != FLOAT32:
        model, spec = reduced(model, spec, precision, sample)
    if raw_input:
        model = add_preprocessing(model, spec)
    if probabilities:
        model = add_probabilities(model, spec)
    switches: dict[str, Any] = {"raw_input": raw_input, "probabilities": probabilities}
    spec = dataclasses.replace(spec, batch=batch, content_sha256="0" * 64, **switches)
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, spec.to_json()
    return seal(model.SerializeToString(deterministic=True))


def _model(network: "Network", batch: "Batch", opset: int) -> "onnx.ModelProto":
    return _load(network.made(("onnx", batch, opset), partial(_translated, network, batch, opset)))


def _translated(network: "Network", batch: "Batch", opset: int) -> bytes:
    from .canonical import canonical
    from .translate import translate

    tensors = {name: tensor.numpy() for name, tensor in network.usage.tensors.items()}
    translated = translate(network.module, network.spec, batch, max(opset, _TORCH_OPSETS[0]))
    found: bytes = canonical(translated, tensors, opset).SerializeToString(deterministic=True)
    return found


def open(path: Path, *, device: str = "cpu") -> OpenedArtifact:  # noqa: A001  # the verb of every format
    """Open the file with onnxruntime and read its weights with onnx.

    Raises:
        ArtifactError: the file is damaged or not made by lenetx.
        DeviceUnavailable, EngineMissing: the device or onnxruntime is not available.
    """
    data = read_bytes(path, "model")
    spec = read_spec(data)
    if spec.origin != EXPORTED:
        return _open_for_use(path, data, spec, device)
    model = parse(data)
    if spec.precision != FLOAT32:
        return open_reduced(path, data, model, spec, device, partial(_int8, spec.batch))
    backend = OrtBackend(data, spec, device=device)  # first: it checks that inputs and outputs are the spec's
    again = partial(_load, data)  # reloaded on demand: keeping several large models would add up
    checks, preprocessing, probabilities = structure(model, spec), None, None
    if spec.raw_input:
        preprocessing = opened_preprocessing(data, model, spec)
    if spec.probabilities:
        probabilities = opened_probabilities(data, model, spec)
    network = partial(_network, data, spec)
    model = network()
    return OpenedArtifact(
        artifact=Artifact("onnx", "float32", path, hashlib.sha256(data).hexdigest(), len(data), spec),
        backend=backend,
        structure=checks,
        weights=weights(model),
        numbers=numbers(model),
        constants=constants(model),
        runs=runs_of(data, spec, device),
        layers=partial(layers_of, data, spec),
        training=lambda: training_operators(again()),
        expression=lambda names: of_onnx(network(), names),
        matches_new_export=lambda network: _matches_new_export(again(), spec, network),
        evaluate=lambda inputs: evaluate(again(), spec, inputs),
        preprocessing=preprocessing,
        probabilities=probabilities,
    )


def _int8(batch: "Batch", network: "Network", sample: Sample, opset: int) -> "onnx.ModelProto":
    return reduced(_model(network, batch, opset), network.spec, INT8, sample)[0]


def _open_for_use(path: Path, data: bytes, spec: ModelSpec, device: str) -> OpenedArtifact:
    """Open an adopted file; ``foreign_onnx.open_adopted`` opens one for a proof."""
    try:
        tensors = weights(_load(data))
    except Exception:  # protobuf and onnx raise several classes
        raise ArtifactError("It is not an ONNX model, or a tensor in it cannot be read.") from None
    floats = {name: array for name, array in tensors.items() if array.dtype.name == "float32"}
    sha256 = hashlib.sha256(data).hexdigest()
    artifact = Artifact("onnx", "float32", path, sha256, len(data), spec, is_foreign=True)
    return OpenedArtifact(artifact, OrtBackend(data, spec, device=device), (), floats)


def _matches_new_export(model: "onnx.ModelProto", spec: ModelSpec, network: "Network") -> bool:
    """Return whether a new export of the network gives the same model, apart from its metadata."""
    import onnx

    opset = next(entry.version for entry in model.opset_import)
    switches: dict[str, Any] = {"raw_input": spec.raw_input, "probabilities": spec.probabilities}
    exported_anew = onnx.load_from_string(export(network, batch=spec.batch, opset=opset, **switches))
    for each in (model, exported_anew):
        del each.metadata_props[:]
        each.producer_name = each.producer_version = ""
    return bool(model.SerializeToString(deterministic=True) == exported_anew.SerializeToString(deterministic=True))


def _network(data: bytes, spec: ModelSpec) -> "onnx.ModelProto":
    """Load a model without its preprocessing and its softmax."""
    model = _load(data)
    if spec.raw_input:
        model = without_preprocessing(model, spec)
    return without_probabilities(model) if spec.probabilities else model


def _load(data: bytes) -> "onnx.ModelProto":
    """Load a model that lenetx has written, or that ``parse`` has accepted."""
    import onnx

    return onnx.load_from_string(data)
