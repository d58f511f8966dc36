"""Trained weights and all that is known of them."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lenetx_runtime.spec import ModelSpec

from .. import models
from ..errors import CheckpointError
from ..execution.host import own_settings
from ..execution.user_code import no_warning_is_an_error, user_code
from ..models.load_into import load_into
from ..models.probe import fork_random
from .fit import difference
from .plain_tensors import weights_sha256

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..models import Architecture

__all__ = ["Checkpoint"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Trained weights and all that is known of them.

    Attributes:
        spec: input, preprocessing, labels and identity.
        state_dict: parameter and buffer tensors on the CPU by name.
        metrics: figures of the finished training, among them ``test_accuracy`` (0.0 to 1.0), ``test_loss`` (nats), and
            ``test_precision`` and ``test_recall`` (0.0 to 1.0), each a mapping by class name; none for weights that
            came from elsewhere.
        config: the training configuration, as ``lenetx.training.TrainConfig`` has it; its ``data`` is ``None``,
            and all else that is known is where the weights came from, if they were not trained here.
        history: one record per epoch.
        network: how its network is built, where that is someone's own code, which a file cannot bring along.
    """

    spec: ModelSpec
    state_dict: "Mapping[str, Tensor]"
    metrics: Mapping[str, Any]
    config: Mapping[str, Any]
    history: tuple[Mapping[str, float], ...]
    network: "Architecture | None" = None

    @own_settings()
    def module(self) -> "nn.Module":
        """Build the network in eval mode with these weights.

        Raises:
            CheckpointError: the weights are not those of the spec's architecture, or not those of its digest; or the
                network is someone's own and nobody named its code.
        """
        if weights_sha256(self.state_dict) != self.spec.weights_sha256:
            raise CheckpointError("The weights are not those of the spec: its weights_sha256 is of others.")
        architecture = self.network or models.recorded(self.spec.architecture, self.config.get("architecture_args"))
        shape, classes = self.spec.input_shape, len(self.spec.labels)
        if self.network is None:  # no file may make a program take all memory
            _require_same_shapes(architecture.title, self.state_dict, architecture.hollow(shape, classes).state_dict())
        with fork_random():
            network = architecture.build(shape, classes)
        with self.guard():
            _require_same_shapes(architecture.title, self.state_dict, network.state_dict())
            load_into(network, self.state_dict)
            return network.eval()

    @property
    def title(self) -> str:
        """The network's name without a digest, for messages."""
        return self.spec.architecture.split("@")[0]

    @contextlib.contextmanager
    def guard(self, doing: str = "") -> Iterator[None]:
        """Run the network's own code under ``user_code``; errors of a built-in one are ours."""
        if models.is_built_in(self.spec.architecture):
            yield
            return
        with no_warning_is_an_error(), user_code(self.title, doing):
            yield


def _require_same_shapes(architecture: str, given: "Mapping[str, Tensor]", expected: "Mapping[str, Tensor]") -> None:
    if differing := difference(given, expected):
        raise CheckpointError(f"The weights are not those of {architecture}: {differing}.")
