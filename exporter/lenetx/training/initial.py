"""The weights that training begins with, from a file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import checkpoint as checkpoints
from .. import models, weights
from ..checkpoint import weights_sha256
from ..errors import CheckpointError, InputError
from ..foreign import require_architecture
from ..models import Architecture
from ..models.weights import load_into
from ..weights import fit

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["InitialWeights"]


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """Weights to begin with.

    Attributes:
        path: the file.
        kind: what it is, in words.
        tensors: its tensors by name, what is floating-point in float32.
        architecture: of the checkpoint; ``None`` for weights from elsewhere.
    """

    path: Path
    kind: str
    tensors: "Mapping[str, Tensor]"
    architecture: str | None

    @classmethod
    def read(
        cls, path: Path, *, trust_pickle: bool = False, on_notice: Callable[[str], None] = lambda _: None
    ) -> "InitialWeights":
        """Read any file that :func:`lenetx.load_into` reads; the errors are the same."""
        found = weights.read(path, trust_pickle=trust_pickle, on_notice=on_notice)
        if found is None or found.ours:
            checkpoint = checkpoints.read(path)
            return cls(path, "checkpoint", checkpoint.state_dict, checkpoint.spec.architecture)
        architecture = found.spec.architecture if found.spec is not None else None
        return cls(path, found.kind, fit.as_float32(found.tensors, on_notice), architecture)

    def named_architecture(self) -> str:
        """Give the name of the network that the file says its weights are of.

        Raises:
            InputError: it does not say so; the tensors are listed, with the built-in networks that they fit. Or it is
                someone's own, so that the user must name the code.
        """
        if self.architecture is not None and not models.is_safe(self.architecture):
            raise InputError(
                f"'{self.path}' is of the network '{self.architecture}', someone's own code: name it with --arch."
            )
        return require_architecture(self.path, self.kind, self.tensors, self.architecture)

    def put_into(self, network: "nn.Module", architecture: Architecture, on_notice: Callable[[str], None]) -> None:
        """Give a fresh network these weights, but for the last layer where only its number of classes differs.

        Raises:
            CheckpointError: they are those of another network.
        """
        fresh = network.state_dict()
        given = dict(self.tensors)
        if self.architecture not in (None, architecture.name):
            differing = fit.difference(given, fresh)
            held = f"'{self.path}' holds weights of {self.architecture}, not of {architecture.name}"
            raise CheckpointError(f"{held}: {differing}." if differing else f"{held}.")
        head = fit.head(network)
        if _is_for_other_classes(given, fresh, head):
            layer, before, now = head[0].rpartition(".")[0], len(given[head[0]]), len(fresh[head[0]])
            given |= {name: fresh[name] for name in head}
            on_notice(f"'{self.path}' is for {before} classes, and there are {now} here: {layer} begins anew.")
        if differing := fit.difference(given, fresh):
            raise CheckpointError(f"The weights in '{self.path}' are not those of {architecture.title}: {differing}.")
        load_into(network, given)

    def record(self) -> dict[str, Any]:
        """Say what a checkpoint records of this: no path."""
        return {"init": {"name": self.path.name, "weights_sha256": weights_sha256(self.tensors)}}


def _is_for_other_classes(given: "Mapping[str, Tensor]", fresh: "Mapping[str, Tensor]", head: tuple[str, ...]) -> bool:
    """Say whether the last layer has another number of outputs in the two, and else the same shape."""
    same = all(
        name in given and given[name].ndim == fresh[name].ndim and given[name].shape[1:] == fresh[name].shape[1:]
        for name in head
    )
    return bool(head) and same and all(len(given[name]) != len(fresh[name]) for name in head)
