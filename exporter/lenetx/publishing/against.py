"""Load the weights that an artifact is compared with; what the artifact records is the default."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from lenetx_runtime import ModelSpec
from lenetx_runtime.spec import UNKNOWN, UNPROVEN

from .. import formats, models
from ..errors import InputError
from ..formats.foreign_onnx import input_of, is_foreign, outputs_of
from ..models.outputs import NoSuchOutput, place_of
from ..weights import Found
from ..weights.accepted import with_code_of
from ..weights.checkpoint import Checkpoint
from ..weights.load import checkpoint_of, third_party_weights
from ..weights.options import WeightsOptions
from ..weights.stated_spec import stated_spec
from ..weights.statement import Statement

__all__ = ["for_output", "load_against"]

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
        make = partial(_for_output_of, path, found, options)
        return for_output(make, options.stated.network_output, outputs_of(artifact), on_notice)
    if found is not None and not found.is_lenetx and found.spec is None:
        spec = formats.describe_artifact(artifact)[0].spec
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
    spec = formats.describe_artifact(artifact)[0].spec
    if checkpoint.spec.framing == UNKNOWN:
        options.stated.require_agreement(spec, artifact.name)
        checkpoint = _like(artifact, spec, path, checkpoint, on_notice)
    return with_code_of(spec, artifact.name, checkpoint, options, on_notice) if options.accept_code else checkpoint


def for_output(
    make: Callable[[str | None, Notice], Checkpoint], stated: str | None, names: Sequence[str], on_notice: Notice
) -> Checkpoint:
    """Return the checkpoint whose logits are a stated output, of its network or of another program's file.

    Args:
        make: makes a checkpoint whose logits are the network's output of that index or name; ``None`` for the only one
            that can be.
        stated: the index or name.
        names: of the file's outputs. If there are as many as the network has, the network's is at the same position.
        on_notice: passed on to ``make``.

    Raises:
        NoSuchOutput: neither the network nor the file has several outputs with that one among them.
    """
    notes: list[str] = []
    try:
        checkpoint = make(stated, notes.append)
    except NoSuchOutput as error:
        place = None if stated is None else place_of(stated, names)
        if place is None or len(names) == 1:
            raise
        notes.clear()
        checkpoint = make(error.keys[place] if len(error.keys) == len(names) else None, notes.append)
    for note in notes:
        on_notice(note)
    return checkpoint


def _for_output_of(
    path: Path, found: Found | None, options: WeightsOptions, output: str | None, on_notice: Notice
) -> Checkpoint:
    stated = dataclasses.replace(options.stated, network_output=output)
    checkpoint = checkpoint_of(path, found, dataclasses.replace(options, stated=stated), on_notice)
    if output is not None:
        checkpoint.module()  # raises: a checkpoint of lenetx was not built
    return checkpoint


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
