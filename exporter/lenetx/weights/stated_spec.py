"""Describe weights without metadata: unknown preprocessing and numbered labels, completed with what the user states."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from lenetx_runtime import ModelSpec
from lenetx_runtime.spec import POLARITIES, UNKNOWN

from ..errors import ArtifactError, InputError
from ..version import PRODUCER
from .statement import Statement

__all__ = ["stated_spec", "unknown_spec"]


def unknown_spec(architecture: str, shape: tuple[int, int, int], classes: int, digest: str) -> ModelSpec:
    """Return the spec of weights without metadata: unknown preprocessing, and numbers as labels."""
    channels, height, width = shape
    if classes < 2:
        raise InputError(f"{architecture.split('@')[0]} gives one logit for an image; a classifier has at least two.")
    return ModelSpec(
        architecture=architecture,
        channels=channels,
        height=height,
        width=width,
        padding=0,
        scale=1 / 255,
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
        labels=tuple(map(str, range(classes))),
        weights_sha256=digest,
        producer=PRODUCER,
        framing=UNKNOWN,
        polarity=POLARITIES[UNKNOWN],
    )


def stated_spec(path: Path | str, spec: ModelSpec, stated: Statement, on_notice: Callable[[str], None]) -> ModelSpec:
    """Return a file's spec completed with the user's statement.

    Raises:
        InputError: the statement contradicts the file or does not fit the network.
    """
    if stated == Statement():
        return spec
    stated.require_agreement(spec, str(path))
    if stated.network_output not in (None, spec.network_output):
        spec = dataclasses.replace(spec, network_output=stated.network_output, selftest=None)  # made with another one
    if spec.framing != UNKNOWN:
        return spec
    labels = stated.labels or spec.labels
    if len(labels) != len(spec.labels):
        raise InputError(f"There are {len(labels)} labels, but the weights in '{path}' are for {len(spec.labels)}.")
    if stated.framing is not None and stated.mean is None and stated.std is None:
        on_notice("No mean or std was stated; the inputs are assumed to be levels scaled to 0..1.")
    try:
        return dataclasses.replace(
            spec,
            labels=labels,
            **stated.frame_fields(spec.input_shape),
            mean=stated.per_channel("mean", spec.channels),
            std=stated.per_channel("std", spec.channels),
            selftest=None,  # made with other preprocessing
        )
    except ArtifactError as error:
        raise InputError(f"The values stated for '{path}' are not valid: {error}") from None
