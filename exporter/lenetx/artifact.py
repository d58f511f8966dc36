"""A published or staged file, and one that was opened again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lenetx_runtime import ModelSpec
from lenetx_runtime.backend import Backend

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .report import Check

__all__ = ["Artifact", "OpenedArtifact"]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of one format.

    Attributes:
        format: its name in :data:`lenetx.formats.FORMATS`.
        precision: of the weights and arithmetic: ``float32``.
        path: where it lies.
        sha256: digest of its bytes.
        size_bytes: its length.
        spec: what it says of itself.
    """

    format: str
    precision: str
    path: Path
    sha256: str
    size_bytes: int
    spec: ModelSpec


@dataclass(frozen=True, slots=True)
class OpenedArtifact:
    """An artifact reopened from disk by the engine that users will use.

    Attributes:
        artifact: the file.
        backend: computes float32[N, K] logits from float32[N, C, H, W].
        weights: the weights that the file holds, by their names in the checkpoint.
        numbers: all that are beside the weights and are no sizes or axes: slopes, bounds, epsilons.
        structure: what was found to be right or wrong with the file itself.
    """

    artifact: Artifact
    backend: Backend
    weights: "Mapping[str, NDArray[np.float32]]"
    structure: "tuple[Check, ...]"
    numbers: frozenset[float] = frozenset()
