"""Keep the spec in an archive of any format, in one record."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lenetx_runtime import ArtifactError, ModelSpec
from lenetx_runtime.spec import METADATA_KEY

if TYPE_CHECKING:
    from . import Batch

__all__ = ["SPEC", "equal_but_spec", "spec_from", "spec_record"]

SPEC = f"extra/{METADATA_KEY}.json"
"""The record's name."""


def spec_record(spec: ModelSpec, batch: "Batch") -> dict[str, bytes]:
    """Return the record of a spec, for an archive with this batch size."""
    return {SPEC: dataclasses.replace(spec, batch=batch).to_json().encode()}


def spec_from(records: Mapping[str, bytes]) -> ModelSpec:
    """Return the spec of an archive.

    Raises:
        ArtifactError: it has none.
    """
    try:
        return ModelSpec.from_json(records[SPEC].decode())
    except (KeyError, ValueError):
        raise ArtifactError("It was not made by lenetx: it has no lenetx spec.") from None


def equal_but_spec(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> bool:
    """Return whether two archives hold the same records, apart from the spec."""
    return {**one, SPEC: b""} == {**other, SPEC: b""}
