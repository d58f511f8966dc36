"""Describe artifacts: a staged or published file, and the same file reopened for a proof."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec
from lenetx_runtime.backend import Backend
from lenetx_runtime.spec import EXPORTED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..graph import Expression, Unknown
    from ..report import Check
    from .network import Network
    from .onnx.preprocessing import Preprocessing
    from .onnx.probabilities import Probabilities
    from .reduced import Reduced

__all__ = ["FUNCTION", "Artifact", "Intermediates", "OpenedArtifact", "Run"]

FUNCTION = "function"
"""The format of a user-supplied function, which has no file."""
Intermediates = Callable[
    ["NDArray[np.float32]"], "tuple[Mapping[str, Sequence[NDArray[np.float32]]], NDArray[np.float32]]"
]
"""From float32[N, C, H, W] inputs to each affine layer's outputs, by weight name, and the float32[N, K] logits."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of one format, or a user-supplied function.

    Attributes:
        format: its name in ``lenetx.formats.FORMATS``, or ``FUNCTION``.
        precision: of the weights and arithmetic: ``float32``, ``float16`` or ``int8``.
        path: the file; for a function, its name.
        sha256: digest of the file's bytes; empty for a function.
        size_bytes: the file's size in bytes; 0 for a function.
        spec: the embedded spec; for a function or a foreign file, the checkpoint's with the names and axes of the file.
        is_foreign: whether another program wrote the graph.
        beside: names of the files beside it that hold its weights; ``sha256`` does not cover them.
        others: names of its outputs that were left out: they and what only they need is not proven.
    """

    format: str
    precision: str
    path: Path
    sha256: str
    size_bytes: int
    spec: ModelSpec
    is_foreign: bool = False
    beside: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def is_function(self) -> bool:
        """Whether this is a user-supplied function instead of a file."""
        return self.format == FUNCTION

    @property
    def has_spec(self) -> bool:
        """Whether the file embeds its spec, as files of lenetx and adopted files do."""
        return not self.is_function and not (self.is_foreign and self.spec.origin == EXPORTED)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an artifact: an engine in one configuration, on this machine.

    Attributes:
        name: the configuration, such as ``optimisation off, 1 thread``.
        open: returns a backend with exactly this configuration, or raises an error.
        missing: why this run cannot be tried; empty if it can. It counts as not run, or not applicable if not whole.
        is_whole: whether every check that runs the artifact is repeated, since another program runs.
    """

    name: str
    open: Callable[[], Backend]
    missing: str = ""
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class OpenedArtifact:
    """An artifact reopened from disk by the engine that users will use.

    Attributes:
        artifact: the file.
        backend: computes float32[N, K] logits from float32[N, C, H, W], or from frames if the spec has ``raw_input``;
            ``layers``, ``evaluate`` and the runs take the same.
        structure: the checks of the file itself.
        weights: the weights in the file, by their names in the checkpoint; ``None`` if it exposes none.
        numbers: scalar constants other than weights, sizes and axes: slopes, bounds, epsilons; ``None`` if it exposes
            none.
        constants: constant tensors other than weights, sizes and axes, by name.
        runs: the runs that this machine has for it.
        layers: returns its intermediates; ``None`` if it exposes none.
        expression: returns the computation in canonical form, given each tensor's canonical name; ``None`` if the
            format does not expose its operators.
        training: returns the names of operators in training mode; ``None`` if the format does not expose its operators.
        matches_new_export: returns whether a new export of a network gives the same file, apart from the embedded spec;
            ``None`` if the format cannot be exported.
        evaluate: computes float32[N, K] logits with the format's reference implementation; ``None`` if there is none.
        network: what the weights, operators and layers are compared with; ``None`` for the reference's own network.
        slack: for weights whose batch norm another program folded, how far each number may be from the one that lenetx
            folds, as float64 arrays by name.
        entering: returns the input of its first affine layer, float32[N, …], for float32[N, C, H, W]; ``None`` if it
            cannot.
        placed: the names of weights that were found only by their position, and may actually be others.
        idle_switches: returns the smooth operators that are saturated for all of some arrays of float32[N, C, H, W], in
            words; ``None`` if the format does not expose them.
        reduced: what a file with reduced arithmetic computes; ``None`` if that is float32, whatever its weights. Then
            ``weights``, ``numbers``, ``constants`` and ``expression`` are of the float32 graph that it stands for.
        preprocessing: what a graph with raw input does to frames; ``None`` for others. ``weights``, ``numbers``,
            ``constants`` and ``expression`` are those of the network behind it.
        probabilities: the second output; ``None`` if there is none. The same four are of the network before it.
    """

    artifact: Artifact
    backend: Backend
    structure: "tuple[Check, ...]"
    weights: "Mapping[str, NDArray[np.float32]] | None" = None
    numbers: frozenset[float] | None = None
    constants: "Mapping[str, NDArray[Any]]" = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    layers: Intermediates | None = None
    expression: "Callable[[Mapping[str, str]], Expression | Unknown] | None" = None
    training: "Callable[[], Sequence[str]] | None" = None
    matches_new_export: "Callable[[Network], bool] | None" = None
    evaluate: "Callable[[NDArray[np.float32]], NDArray[np.float32]] | None" = None
    network: "Network | None" = None
    slack: "Mapping[str, NDArray[np.float64]]" = field(default_factory=dict)
    entering: "Callable[[NDArray[np.float32]], NDArray[np.float32]] | None" = None
    placed: frozenset[str] = frozenset()
    idle_switches: "Callable[[Sequence[NDArray[np.float32]]], str] | None" = None
    reduced: "Reduced | None" = None
    preprocessing: "Preprocessing | None" = None
    probabilities: "Probabilities | None" = None
