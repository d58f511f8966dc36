"""A published or staged file, and one that was opened again, with all that a proof asks it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec
from lenetx_runtime.backend import Backend

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..graph import Expression, Unknown
    from ..report import Check
    from .network import Network

__all__ = ["FUNCTION", "Artifact", "Engine", "Intermediates", "OpenedArtifact"]

FUNCTION = "function"
"""The format of what is no file."""
Intermediates = Callable[
    ["NDArray[np.float32]"], "tuple[Mapping[str, Sequence[NDArray[np.float32]]], NDArray[np.float32]]"
]
"""From float32[N, C, H, W] to what each affine layer gave, by the name of its weight, and the logits."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of one format.

    Attributes:
        format: its name in ``lenetx.formats.FORMATS``.
        precision: of the weights and arithmetic: ``float32``.
        path: where it lies.
        sha256: digest of its bytes; empty for a function.
        size_bytes: its length.
        spec: what it says of itself.
    """

    format: str
    precision: str
    path: Path
    sha256: str
    size_bytes: int
    spec: ModelSpec

    @property
    def is_function(self) -> bool:
        """It is someone's own function, which says nothing of itself; the spec is the checkpoint's."""
        return self.format == FUNCTION


@dataclass(frozen=True, slots=True)
class Engine:
    """One way to run an artifact here.

    Attributes:
        name: what is asked for, such as ``optimisation off, 1 thread``.
        open: gives a backend that runs so and in no other way, or raises.
        missing: why there is no sense in asking, if there is none.
    """

    name: str
    open: Callable[[], Backend]
    missing: str = ""


@dataclass(frozen=True, slots=True)
class OpenedArtifact:
    """An artifact reopened from disk by the engine that users will use.

    Attributes:
        artifact: the file.
        backend: computes float32[N, K] logits from float32[N, C, H, W].
        structure: what was found to be right or wrong with the file itself.
        weights: the weights that the file holds, by their names in the checkpoint; ``None`` where it shows none.
        numbers: all that are beside the weights and are no sizes or axes: slopes, bounds, epsilons.
        constants: tensors beside the weights that are no sizes or axes, by name.
        engines: every way to run it here.
        layers: gives its intermediates, where it can show them.
        training: names the operators in it that run as in training, where the format has such a thing.
        expression: what it computes in canonical form, given the name under which each tensor is compared.
        fresh: tells whether it computes bit for bit what a new export of a network would, where that can be asked.
        evaluate: computes logits by the definition of the format, with no engine, where there is such a thing.
    """

    artifact: Artifact
    backend: Backend
    structure: "tuple[Check, ...]"
    weights: "Mapping[str, NDArray[np.float32]] | None" = None
    numbers: frozenset[float] | None = None
    constants: "Mapping[str, NDArray[Any]]" = field(default_factory=dict)
    engines: tuple[Engine, ...] = ()
    layers: Intermediates | None = None
    expression: "Callable[[Mapping[str, str]], Expression | Unknown] | None" = None
    training: "Callable[[], Sequence[str]] | None" = None
    fresh: "Callable[[Network], bool] | None" = None
    evaluate: "Callable[[NDArray[np.float32]], NDArray[np.float32]] | None" = None
