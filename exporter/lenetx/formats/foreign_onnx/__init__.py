"""Open ONNX files that other programs wrote, to prove that they compute what a network of PyTorch computes.

``read`` and ``external`` parse the file and take in the weights beside it; ``contract`` and ``precision`` find its axes
and check that it is a float32 classifier; ``simplify``, ``older`` and ``match`` write it in the form that
``lenetx.graph`` reads, under the network's names. The engine runs bytes written anew from what was parsed.
"""

import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lenetx_runtime import ArtifactError, InputError, ModelSpec
from lenetx_runtime.backend import Backend
from lenetx_runtime.files import read_bytes
from lenetx_runtime.onnx_file import check_graph
from lenetx_runtime.ort import OrtBackend

from ...graph import of_onnx
from ..artifact import Artifact, OpenedArtifact
from ..onnx.evaluate import evaluate
from ..onnx.intermediates import affine_outputs, entering, layers_of
from ..onnx.runs import runs_of
from ..onnx.structure import constants, numbers, training_operators, weights
from .contract import fit_axes, require_classifier, size_of, spec_for
from .describe import described
from .match import matched
from .precision import FLOAT32
from .read import is_sealed, load, parse
from .simplify import replace, simplified
from .structure import structure

if TYPE_CHECKING:
    from torch import nn

    from ...weights.checkpoint import Checkpoint

__all__ = ["described", "input_of", "is_foreign", "open_foreign"]

SUFFIX = ".onnx"
_UNKNOWN_OPERATOR = ("is not a registered function/op", "No Op registered for")
"""Parts of onnxruntime's errors for operators that it does not have."""


def is_foreign(path: Path) -> bool:
    """Return whether a path is that of an ONNX file without the metadata of lenetx.

    Raises:
        InputError: the file is missing or cannot be read.
        ArtifactError: its name ends in .onnx and it is no ONNX model.
    """
    try:
        return path.suffix == SUFFIX and not is_sealed(parse(read_bytes(path, "model")))
    except ArtifactError as error:
        raise ArtifactError(f"'{path}' cannot be used. {error}") from None


def input_of(path: Path) -> tuple[tuple[int, int] | None, int | None]:
    """Return the (height, width) and the number of channels that a foreign file takes; ``None`` for what is not known.

    Raises:
        InputError, ArtifactError: as ``open_foreign``.
    """
    try:
        model = parse(read_bytes(path, "model"))
        held = {tensor.name for tensor in model.graph.initializer}
        kept = [value for value in model.graph.input if value.name not in held]
        replace(model.graph.input, kept)
        require_classifier(model)
        return size_of(model.graph.input[0])
    except InputError as error:
        raise InputError(f"'{path}' cannot be proven. {error}") from None


def open_foreign(
    path: Path, checkpoint: "Checkpoint", built: "nn.Module", *, device: str = "cpu", layout: str | None = None
) -> OpenedArtifact:
    """Open a foreign file with onnxruntime, and find the network's weights in it.

    Args:
        path: the file.
        checkpoint: the weights that it should have.
        built: their module in eval mode, which is not changed.
        device: where it runs: ``cpu``, ``cuda`` or ``cuda:N``.
        layout: of its input, see ``ModelSpec.layout``; found by its axes if ``None``.

    Raises:
        InputError: the file is missing, or it is no float32 classifier of the network's axes.
        ArtifactError: it is damaged, or its weights are missing.
        DeviceUnavailable, EngineMissing: the device or onnxruntime is not available.
    """
    try:
        return _open(path, checkpoint, built, device, layout)
    except ArtifactError as error:
        raise ArtifactError(f"'{path}' cannot be used. {error}") from None
    except InputError as error:
        raise InputError(f"'{path}' cannot be proven. {error}") from None


def _open(path: Path, checkpoint: "Checkpoint", built: "nn.Module", device: str, layout: str | None) -> OpenedArtifact:
    model, data, beside = load(path)
    require_classifier(model)
    spec = spec_for(model, checkpoint.spec, layout)
    fit_axes(model, spec)
    ours = model.SerializeToString(deterministic=True)
    check_graph(ours, spec, any_domain=True)
    backend = _backend(ours, spec, device)
    found = matched(simplified(model, spec), checkpoint, built)
    readable = found.model
    return OpenedArtifact(
        artifact=Artifact(
            "onnx", FLOAT32, path, hashlib.sha256(data).hexdigest(), len(data), spec, is_foreign=True, beside=beside
        ),
        backend=backend,
        structure=structure(model),
        weights=weights(readable),
        numbers=numbers(readable),
        constants=constants(readable),
        runs=runs_of(ours, spec, device),
        layers=partial(layers_of, ours, spec, outputs=affine_outputs(readable)),
        training=partial(training_operators, readable),
        expression=lambda names: of_onnx(readable, names),
        evaluate=partial(evaluate, model, spec),
        network=found.network,
        slack=found.slack,
        entering=partial(entering, ours, spec),
        placed=found.placed,
    )


def _backend(data: bytes, spec: ModelSpec, device: str) -> Backend:
    try:
        return OrtBackend(data, spec, device=device)
    except ArtifactError as error:
        if any(words in str(error) for words in _UNKNOWN_OPERATOR):
            raise InputError(f"It needs an operator that onnxruntime does not have. {error}") from None
        raise
