"""Open another program's model with onnxruntime, and expose what the proof compares with the network."""

from functools import partial
from typing import TYPE_CHECKING

from lenetx_runtime import ArtifactError, InputError, ModelSpec
from lenetx_runtime.backend import Backend
from lenetx_runtime.ort import OrtBackend

from ...graph import of_onnx
from ...report import Check
from ..artifact import Artifact, OpenedArtifact
from ..onnx.evaluate import evaluate
from ..onnx.intermediates import affine_outputs, entering, layers_of
from ..onnx.runs import runs_of
from ..onnx.structure import constants, numbers, training_operators, weights
from .contract import ELSEWHERE
from .match import matched
from .simplify import simplified
from .structure import kept_paths, structure
from .switches import idle_switches

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

    from ...weights.checkpoint import Checkpoint

__all__ = ["opened"]

_UNKNOWN_OPERATOR = ("is not a registered function/op", "No Op registered for")
"""Parts of onnxruntime's errors for operators that it does not have."""


def opened(
    artifact: Artifact,
    run: bytes,
    model: "ModelProto",
    checkpoint: "Checkpoint",
    built: "nn.Module",
    device: str,
    also: tuple[Check, ...] = (),
) -> OpenedArtifact:
    """Open a model for a proof.

    Args:
        artifact: its file; the spec has the names and the axes of the model.
        run: the bytes that the engine runs.
        model: the same model, without descriptions of values and with the axes of the spec.
        checkpoint: the weights that it should have.
        built: their module in eval mode, which is not changed.
        device: where it runs.
        also: further checks of the file.

    Raises:
        InputError: onnxruntime lacks one of its operators.
        ArtifactError: onnxruntime cannot open it.
        DeviceUnavailable, EngineMissing: the device or onnxruntime is not available.
    """
    spec = artifact.spec
    backend = _backend(run, spec, device)
    found = matched(simplified(model, spec), checkpoint, built)
    readable = found.model
    return OpenedArtifact(
        artifact=artifact,
        backend=backend,
        structure=(*structure(model), *also, *([kept_paths(model)] if artifact.has_spec else [])),
        weights=weights(readable),
        numbers=numbers(readable),
        constants=constants(readable),
        runs=runs_of(run, spec, device),
        layers=partial(layers_of, run, spec, outputs=affine_outputs(readable)),
        training=partial(training_operators, readable),
        expression=lambda names: of_onnx(readable, names),
        evaluate=partial(evaluate, model, spec),
        network=found.network,
        slack=found.slack,
        entering=partial(entering, run, spec),
        placed=found.placed,
        idle_switches=partial(idle_switches, model, run, spec),
    )


def _backend(data: bytes, spec: ModelSpec, device: str) -> Backend:
    try:
        return OrtBackend(data, spec, device=device)
    except ArtifactError as error:
        if any(words in str(error) for words in _UNKNOWN_OPERATOR):
            raise InputError(f"It needs an operator that onnxruntime does not have: {ELSEWHERE}. {error}") from None
        raise
