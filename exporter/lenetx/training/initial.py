"""Read the initial weights of a training run from a file and copy them into its network."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec
from lenetx_runtime.spec import UNKNOWN

from .. import models
from ..errors import CheckpointError, InputError
from ..models import Architecture
from ..models.load_into import load_into
from ..weights import Found, matching
from ..weights import checkpoint_file as checkpoints
from ..weights.load import require_architecture, third_party_weights
from ..weights.plain_tensors import weights_sha256

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["InitialWeights"]


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """Initial weights of a training run.

    Attributes:
        path: the file.
        found: the file's tensors by name, floating-point ones as float32, and its metadata.
        architecture: the network that the file records; ``None`` for third-party weights.
        arguments: arguments of the network's factory, by name.
    """

    path: Path
    found: Found
    architecture: str | None
    arguments: Mapping[str, object]

    @classmethod
    def read(
        cls, path: Path, *, trust_pickle: bool = False, on_notice: Callable[[str], None] = lambda _: None
    ) -> "InitialWeights":
        """Read any file that ``lenetx.load_weights`` reads; it raises the same errors."""
        found = third_party_weights(path, trust_pickle=trust_pickle, on_notice=on_notice)
        if found is None or found.is_lenetx:
            checkpoint = checkpoints.read(path)
            spec = checkpoint.spec
            arguments = checkpoint.config.get("architecture_args", {})
            return cls(path, Found("checkpoint", checkpoint.state_dict, spec), spec.architecture, arguments)
        architecture = found.spec.architecture if found.spec is not None else None
        tensors = matching.as_float32(found.tensors, on_notice)
        return cls(path, dataclasses.replace(found, tensors=tensors), architecture, {})

    @property
    def tensors(self) -> "Mapping[str, Tensor]":
        """The weights by name."""
        return self.found.tensors

    def settings(self, given: Mapping[str, object]) -> dict[str, object]:
        """Return the settings that the file determines and ``given`` lacks: the network, its input and its framing.

        Args:
            given: values that are set already, by the field names of ``lenetx.training.TrainConfig``.

        Raises:
            InputError: as ``named_architecture``, if ``given`` names no network.
        """
        named = given.get("architecture")
        own: dict[str, object] = {} if named is not None else {"architecture": self.named_architecture()}
        if self.architecture is not None and self._is_of(str(named or own["architecture"])):
            own |= {"architecture_args": dict(self.arguments)} if self.arguments else {}
            spec = self.found.spec
            if spec is not None:
                own |= {"input_size": (spec.height, spec.width), "channels": spec.channels}
                own |= (
                    {}
                    if spec.framing == UNKNOWN or {"input_size", "channels"} & given.keys()
                    else {"framing": spec.framing}
                )
        return {name: value for name, value in own.items() if name not in given}

    def _is_of(self, architecture: str) -> bool:
        """Return whether the weights belong to a network, given by name or by the path of its code."""
        assert self.architecture is not None
        return Path(architecture).name == self.architecture.split("@")[0]

    def named_architecture(self) -> str:
        """Return the name of the network that the file records.

        Raises:
            InputError: the file does not record one (the message lists the tensors and the built-in networks that they
                fit), or it is a custom network, whose code the user must name.
        """
        if self.architecture is not None and not models.is_safe(self.architecture):
            raise InputError(
                f"'{self.path}' is of the network '{self.architecture}', custom code: name it with --arch."
            )
        return require_architecture(self.path, self.found, self.architecture)

    def put_into(
        self, network: "nn.Module", architecture: Architecture, spec: ModelSpec, on_notice: Callable[[str], None]
    ) -> None:
        """Copy these weights into a fresh network, without the last layer if only its number of classes differs.

        Args:
            network: as built by ``architecture``; changed in place.
            architecture: the network's architecture.
            spec: the network's input and classes.
            on_notice: called with a sentence about what was changed or left out.

        Raises:
            CheckpointError: the weights belong to another network.
        """
        fresh = network.state_dict()
        given, changed = matching.renamed_to_match(self.tensors, fresh)
        if changed:
            on_notice(f"'{self.path.name}': {changed}.")
        if self.architecture not in (None, architecture.name):
            differing = matching.difference(given, fresh)
            held = f"'{self.path}' holds weights of {self.architecture}, not of {architecture.name}"
            raise CheckpointError(f"{held}: {differing}." if differing else f"{held}.")
        if matching.difference(given, fresh):
            given |= self._new_head(given, fresh, architecture, spec, on_notice)
        if differing := matching.difference(given, fresh):
            raise CheckpointError(f"The weights in '{self.path}' are not those of {architecture.title}: {differing}.")
        load_into(network, given)

    def _new_head(
        self,
        given: "Mapping[str, Tensor]",
        fresh: "Mapping[str, Tensor]",
        architecture: Architecture,
        spec: ModelSpec,
        on_notice: Callable[[str], None],
    ) -> "dict[str, Tensor]":
        """Return the last layer's fresh tensors if the given ones differ only in the number of classes."""
        head = matching.head(architecture, spec.input_shape, classes := len(spec.labels))
        before = matching.classes_of(given, architecture, spec.input_shape)
        if before in (None, classes) or not matching.same_but_for_classes(given, fresh, head):
            return {}
        layers = ", ".join(dict.fromkeys(name.rpartition(".")[0] or name for name in head))
        on_notice(
            f"'{self.path}' is for {before} classes, and there are {classes} here: {layers} is newly initialised."
        )
        return {name: fresh[name] for name in head}

    def record(self) -> dict[str, Any]:
        """Return what a checkpoint records of the initial weights: the file's base name and their digest."""
        return {"init": {"name": self.path.name, "weights_sha256": weights_sha256(self.tensors)}}
