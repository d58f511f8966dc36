"""Load the weights that an artifact is compared with; what the artifact records is the default."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from lenetx_runtime import ModelSpec
from lenetx_runtime.spec import UNKNOWN, UNPROVEN

from .. import formats, models
from ..errors import InputError
from ..formats.foreign_onnx import input_of, is_foreign
from ..weights.accepted import with_code_of
from ..weights.checkpoint import Checkpoint
from ..weights.load import checkpoint_of, third_party_weights
from ..weights.options import WeightsOptions
from ..weights.stated_spec import stated_spec
from ..weights.statement import Statement

__all__ = ["load_against"]

Notice = Callable[[str], None]


def load_against(
    path: Path, artifact: Path, options: WeightsOptions | None = None, on_notice: Notice = lambda _: None
) -> Checkpoint:
    """Load the checkpoint, or third-party weights, to compare an artifact with.

    Args:
        path: any file that ``load_weights`` reads.
        artifact: supplies the network (unless it is custom), input shape, preprocessing and labels that the weights do
            not record. Preprocessing that it does not record either stays unknown.
        options: how to read the weights; nothing in it may contradict the artifact.
        on_notice: called with a sentence for each assumption or change.

    Raises:
        InputError, ArtifactError: as in ``load_weights``, for either file.
    """
    options = options or WeightsOptions()
    found = third_party_weights(path, trust_pickle=options.trust_pickle, on_notice=on_notice)
    if is_foreign(artifact):
        if found is not None and found.spec is None:
            size, channels = input_of(artifact)
            shape = Statement(input_size=size, channels=channels)
            options = dataclasses.replace(options, stated=options.stated.completed(shape))
        return checkpoint_of(path, found, options, on_notice)
    if found is not None and not found.is_lenetx and found.spec is None:
        spec = formats.open_artifact(artifact).artifact.spec
        options.stated.require_agreement(spec, artifact.name)
        recorded = None if spec.origin == UNPROVEN else spec  # which names no network
        architecture = options.architecture
        if architecture is None and recorded is not None and models.is_safe(spec.architecture):
            architecture = spec.architecture
        output = options.stated.network_output or spec.network_output
        shape = Statement(input_size=(spec.height, spec.width), channels=spec.channels, network_output=output)
        options = dataclasses.replace(options, architecture=architecture, stated=shape)
        checkpoint = _like(
            artifact, spec, path, checkpoint_of(path, found, options, on_notice, defaults=False), on_notice
        )
        return with_code_of(recorded, artifact.name, checkpoint, options, on_notice)
    checkpoint = checkpoint_of(
        path,
        found,
        dataclasses.replace(options, stated=Statement(network_output=options.stated.network_output)),
        on_notice,
        defaults=False,
    )
    options.stated.require_agreement(checkpoint.spec, path.name)
    custom = not models.is_safe(checkpoint.spec.architecture)
    if checkpoint.spec.framing != UNKNOWN and not (custom and options.accept_code):
        return checkpoint
    spec = formats.open_artifact(artifact).artifact.spec
    if checkpoint.spec.framing == UNKNOWN:
        options.stated.require_agreement(spec, artifact.name)
        checkpoint = _like(artifact, spec, path, checkpoint, on_notice)
    return with_code_of(spec, artifact.name, checkpoint, options, on_notice) if options.accept_code else checkpoint


def _like(artifact: Path, spec: ModelSpec, path: Path, checkpoint: Checkpoint, on_notice: Notice) -> Checkpoint:
    """Return a checkpoint with the artifact's preprocessing and labels, if it has none of its own.

    Raises:
        InputError: the artifact has another number of classes.
    """
    own = checkpoint.spec
    if len(own.labels) != len(spec.labels):
        raise InputError(
            f"'{artifact.name}' has {len(spec.labels)} classes, but the weights in '{path}' are for "
            f"{len(own.labels)}: name its own weights with --against."
        )
    if spec.framing == UNKNOWN and own.labels == spec.labels:
        return checkpoint
    if own.labels != tuple(map(str, range(len(own.labels)))):
        spec = dataclasses.replace(spec, labels=own.labels)  # the proof compares them
    if spec.framing != UNKNOWN:
        on_notice(f"'{path.name}' does not record its preprocessing and labels; those of '{artifact.name}' are used.")
    completed = stated_spec(path, own, Statement.of_spec(spec), on_notice)
    return dataclasses.replace(checkpoint, spec=completed)
