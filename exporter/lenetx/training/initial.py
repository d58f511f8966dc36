"""Read the initial weights of a training run from a file and copy them into its network."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec
from lenetx_runtime.spec import UNKNOWN

from .. import models
from ..errors import CheckpointError, InputError
from ..models import Architecture
from ..models.identity import described, is_same
from ..models.load_into import load_into
from ..weights import Found, matching
from ..weights import checkpoint_file as checkpoints
from ..weights.checkpoint import ACCEPT
from ..weights.load import require_architecture, third_party_weights
from ..weights.options import WeightsOptions
from ..weights.plain_tensors import weights_sha256
from ..weights.statement import usual_interpolation
from .state import Identity

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["InitialWeights", "normalisation"]

STATED = "normalisation_stated"
"""Key in a checkpoint's record of its initial weights: the user stated mean and std."""
Normalisation = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """Initial weights of a training run.

    Attributes:
        path: the file.
        found: the file's tensors by name, floating-point ones as float32, and its metadata.
        architecture: the network that the file records; ``None`` for third-party weights.
        arguments: arguments of the network's factory, by name.
        options: how the file was read. Stated labels are the classes of its last layer; a stated mean and std are those
            of the training's inputs.
    """

    path: Path
    found: Found
    architecture: str | None
    arguments: Mapping[str, object]
    options: WeightsOptions = field(default_factory=WeightsOptions)

    @classmethod
    def read(
        cls,
        path: Path,
        options: WeightsOptions | None = None,
        on_notice: Callable[[str], None] = lambda _: None,
    ) -> "InitialWeights":
        """Read any file that ``lenetx.load_weights`` reads; it raises the same errors."""
        options = options or WeightsOptions()
        found = third_party_weights(path, trust_pickle=options.trust_pickle, on_notice=on_notice)
        if found is None or found.is_lenetx:
            checkpoint = checkpoints.read(path)
            spec = checkpoint.spec
            arguments = checkpoint.config.get("architecture_args", {})
            return cls(path, Found("checkpoint", checkpoint.state_dict, spec), spec.architecture, arguments, options)
        architecture = found.spec.architecture if found.spec is not None else None
        tensors = matching.as_float32(found.tensors, on_notice)
        return cls(path, dataclasses.replace(found, tensors=tensors), architecture, {}, options)

    @property
    def tensors(self) -> "Mapping[str, Tensor]":
        """The weights by name."""
        return self.found.tensors

    def settings(self, given: Mapping[str, object]) -> dict[str, object]:
        """Return the settings that the file determines and ``given`` lacks: the network, its input and its framing.

        Args:
            given: values that are set already, by the field names of ``lenetx.training.TrainConfig``.

        Raises:
            InputError: as ``named_architecture``, if ``given`` does not name a network.
        """
        named = given.get("architecture")
        own: dict[str, object] = {} if named is not None else {"architecture": self.named_architecture()}
        if self.architecture is not None and self._is_of(str(named or own["architecture"])):
            own |= {"architecture_args": dict(self.arguments)} if self.arguments else {}
            spec = self.found.spec
            if spec is not None:
                own |= {"input_size": (spec.height, spec.width), "channels": spec.channels}
                if spec.framing != UNKNOWN and not {"input_size", "channels", "framing"} & given.keys():
                    own |= {"framing": spec.framing}
                    own |= {"resize": spec.resize} if spec.resize is not None else {}
                    usual = spec.interpolation == usual_interpolation(spec.framing)
                    own |= {} if usual else {"interpolation": spec.interpolation}
        return {name: value for name, value in own.items() if name not in given}

    def _is_of(self, architecture: str) -> bool:
        """Return whether the weights belong to a network, given by name or by the path of its code."""
        assert self.architecture is not None
        same_title = Path(architecture).name == self.architecture.split("@")[0]
        return same_title or is_same(self.architecture, models.resolve(architecture).name)

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
        self._require_same_code(architecture, matching.difference(given, fresh), on_notice)
        if matching.difference(given, fresh):
            given |= self._new_head(given, fresh, architecture, spec, on_notice)
        elif self.options.stated.labels not in (None, spec.labels):
            given |= self._other_classes(fresh, architecture, spec, on_notice)
        if differing := matching.difference(given, fresh):
            raise CheckpointError(f"The weights in '{self.path}' are not those of {architecture.title}: {differing}.")
        load_into(network, given)

    def _require_same_code(self, architecture: Architecture, differing: str, on_notice: Callable[[str], None]) -> None:
        """Raise CheckpointError if the file is of another network whose code was not accepted."""
        if self.architecture is None or is_same(self.architecture, architecture.name):
            return
        custom = not models.is_safe(self.architecture)
        if custom and self.options.accept_code:
            on_notice(
                f"'{self.path.name}': {described(architecture.name)} was accepted in place of "
                f"{described(self.architecture)}."
            )
            return
        held = f"'{self.path}' holds weights of {described(self.architecture)}, not of {described(architecture.name)}"
        advice = differing or (ACCEPT if custom else "")
        raise CheckpointError(f"{held}: {advice}." if advice else f"{held}.")

    def _other_classes(
        self,
        fresh: "Mapping[str, Tensor]",
        architecture: Architecture,
        spec: ModelSpec,
        on_notice: Callable[[str], None],
    ) -> "dict[str, Tensor]":
        """Return the last layer's fresh tensors: the given ones are of other classes, or in another order.

        Raises:
            InputError: the weights are of another number of classes than was stated.
        """
        labels = self.options.stated.labels or ()
        if len(labels) != len(spec.labels):
            raise InputError(
                f"There are {len(labels)} labels, but the weights in '{self.path}' are for {len(spec.labels)}."
            )
        head = matching.head(architecture, spec.input_shape, len(labels))
        anew = f"{_layers(head)} is newly initialised"
        on_notice(f"The classes of '{self.path.name}' are other ones or in another order: {anew}.")
        return {name: fresh[name] for name in head}

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
        anew = f"{_layers(head)} is newly initialised"
        on_notice(f"'{self.path}' is for {before} classes, and there are {classes} here: {anew}.")
        return {name: fresh[name] for name in head}

    def record(self) -> dict[str, Any]:
        """Return what a checkpoint records of the initial weights: the file's base name and their digest."""
        stated = {STATED: True} if self.options.stated.mean or self.options.stated.std else {}
        return {"init": {"name": self.path.name, "weights_sha256": weights_sha256(self.tensors), **stated}}


def normalisation(init: InitialWeights | None, saved: Identity | None, channels: int) -> Normalisation | None:
    """Return mean and std as stated for the initial weights of a new or resumed run; ``None`` for the data's own."""
    if saved is not None:
        recorded = saved.origin.get("init")
        stated = isinstance(recorded, dict) and STATED in recorded
        return (saved.spec.mean, saved.spec.std) if stated else None
    told = init.options.stated if init is not None else None
    if told is None or not (told.mean or told.std):
        return None
    return told.per_channel("mean", channels), told.per_channel("std", channels)


def _layers(head: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(name.rpartition(".")[0] or name for name in head))
