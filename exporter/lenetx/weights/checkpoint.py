"""Define the checkpoint: trained weights with their spec, metrics, configuration and history."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lenetx_runtime.spec import ModelSpec

from .. import models
from ..errors import CheckpointError
from ..execution.host import standard_settings
from ..execution.user_code import no_warning_is_an_error, user_code
from ..models.load_into import load_into
from ..models.probe import fork_random
from .matching import difference
from .plain_tensors import weights_sha256

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..models import Architecture

__all__ = ["ACCEPT", "CODE", "Checkpoint"]

CODE = "accepted_code"
"""Key of ``Checkpoint.config``: the recorded network, if the user accepted other source code instead."""
ACCEPT = "add --accept-code if the change is meant: the weights and the proof then decide, and the report records it"
"""Advice about source code that changed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Trained weights with their spec, metrics, configuration and history.

    Attributes:
        spec: input, preprocessing, labels and identity.
        state_dict: parameters and buffers by name, on the CPU.
        metrics: figures of the finished training, among them ``test_accuracy`` (0.0 to 1.0), ``test_loss`` (nats,
            except for ``mse``), and ``test_precision`` and ``test_recall`` (0.0 to 1.0), each a mapping by class name;
            empty for third-party weights.
        config: the training configuration, with the fields of ``lenetx.training.TrainConfig``. For third-party
            weights, ``data`` is ``None`` and the other fields are the network and the source of the weights.
        history: one record per epoch.
        network: builds a custom network, whose code no file contains; ``None`` if ``spec.architecture`` is enough.
    """

    spec: ModelSpec
    state_dict: "Mapping[str, Tensor]"
    metrics: Mapping[str, Any]
    config: Mapping[str, Any]
    history: tuple[Mapping[str, float], ...]
    network: "Architecture | None" = None

    @standard_settings()
    def module(self) -> "nn.Module":
        """Build the network in eval mode with these weights.

        Raises:
            CheckpointError: the weights do not fit the spec's architecture or do not match its digest, or the network
                is custom and its code was not named.
        """
        if weights_sha256(self.state_dict) != self.spec.weights_sha256:
            raise CheckpointError("The weights are not those of the spec: its weights_sha256 is of others.")
        architecture = self.network or models.recorded(self.spec.architecture, self.config.get("architecture_args"))
        architecture = dataclasses.replace(architecture, output=self.spec.network_output)
        shape, classes = self.spec.input_shape, len(self.spec.labels)
        if self.network is None:  # check without allocating: a file must not exhaust the memory
            _require_same_shapes(architecture.title, self.state_dict, architecture.hollow(shape, classes).state_dict())
        with fork_random():
            network = architecture.build(shape, classes)
        with self.guard():
            _require_same_shapes(architecture.title, self.state_dict, network.state_dict())
            load_into(network, self.state_dict)
            return network.eval()

    @classmethod
    @standard_settings()
    def of(
        cls,
        module: "nn.Module",
        *,
        input_shape: Sequence[int] | None = None,
        labels: Sequence[str] | None = None,
        framing: str | None = None,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        interpolation: str | None = None,
        resize: int | None = None,
        output: int | str | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> "Checkpoint":
        """Make a checkpoint from a copy of a module in memory; the module is never changed.

        The copy is on the CPU, in eval mode and in float32. The checkpoint can be exported, proven, and compared with
        artifacts like any other.

        Args:
            module: maps float32[N, C, H, W] to float32[N, classes] logits; on any device, in any mode, and in any of
                the wrappers of ``torch.compile`` and data parallelism.
            input_shape: (channels, height, width); by default the module's attribute of that name, or what timm stores
                in its modules. For a module that takes [N, H, W, C], (height, width, channels).
            labels: class names in the order of the logits; the class numbers by default.
            framing: how images become inputs, see ``Statement``; by default that of a module of timm, with its mean,
                std and size, and unknown of any other.
            mean: one number, or one per channel, on a scale of 1; see ``Statement``.
            std: the same.
            interpolation: of the framing, see ``Statement``.
            resize: of the framing, in pixels, see ``Statement``.
            output: index or name of the logits, if the module returns a tuple, list or dictionary; by default the only
                output that is float32[N, classes].
            on_notice: called with a sentence about anything that was assumed or changed, such as a module in training
                mode. By default these are warnings.

        Raises:
            InputError: the module cannot be copied, its input shape is unknown, it is a TorchScript module, its code
                raised an error, or what is stated does not fit it.
            UnknownName: the framing or interpolation does not exist.
        """
        from .in_memory import checkpoint_of_module
        from .statement import Statement

        stated = Statement.of_values(
            framing=framing,
            mean=mean,
            std=std,
            interpolation=interpolation,
            resize=resize,
            labels=labels,
            output=output,
        )
        return checkpoint_of_module(cls, module, input_shape=input_shape, stated=stated, on_notice=on_notice)

    def with_accepted_code(self, recorded: str) -> "Checkpoint":
        """Return the checkpoint of its custom ``network``, which the user accepted in place of the recorded one."""
        assert self.network is not None, "its code was named"
        spec = dataclasses.replace(self.spec, architecture=self.network.name, selftest=None)  # made with other code
        return dataclasses.replace(self, spec=spec, config={**self.config, CODE: recorded})

    @property
    def title(self) -> str:
        """The network's name without the digest of its source, for messages."""
        name = self.spec.architecture if self.network is None else self.network.name
        return name.split("@")[0]

    @contextlib.contextmanager
    def guard(self, doing: str = "") -> Iterator[None]:
        """Run a custom network's code under ``user_code``; errors of a built-in network propagate."""
        if models.is_built_in(self.spec.architecture):
            yield
            return
        with no_warning_is_an_error(), user_code(self.title, doing):
            yield


def _require_same_shapes(architecture: str, given: "Mapping[str, Tensor]", expected: "Mapping[str, Tensor]") -> None:
    if differing := difference(given, expected):
        raise CheckpointError(f"The weights are not those of {architecture}: {differing}.")
