"""Describe a checkpoint, an artifact, or any other file of weights."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec
from lenetx_runtime.certificate import unproven_words
from lenetx_runtime.files import read_bytes, require_file
from lenetx_runtime.spec import UNPROVEN

from .. import formats
from ..errors import InputError
from ..formats import foreign_onnx
from ..report import plain_number
from ..weights import Found, checkpoint_file, matching
from ..weights.checkpoint import Checkpoint
from ..weights.load import checkpoint_of, require_architecture, third_party_weights
from ..weights.options import WeightsOptions
from .certificate import conclusion_of
from .manifest import entry_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Description", "Parameter", "inspect"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One weight tensor: its name, shape, number of elements, smallest and largest value (0 if it has none)."""

    name: str
    shape: tuple[int, ...]
    count: int
    minimum: float
    maximum: float

    @classmethod
    def of(cls, name: str, array: "NDArray[np.float32]") -> "Parameter":
        """Describe an array of any shape."""
        least, most = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
        return cls(name, array.shape, array.size, least, most)


@dataclass(frozen=True, slots=True)
class Description:
    """The description of a checkpoint, an artifact, or any other file of weights.

    Attributes:
        kind: ``checkpoint``, the format's name, or the kind of a file of weights.
        name: the file name.
        size_bytes: the file's size in bytes.
        spec: the embedded spec; ``None`` for weights whose network is unknown and for ONNX files of other programs.
        parameters: its weights; empty if the format exposes none.
        facts: plain values: a checkpoint's metrics, config and history, or an artifact's conclusion (``proof``),
            digest and manifest entry; of a foreign file also its inputs, outputs, opset, operators and precision; for
            weights whose network is unknown, the built-in networks that they fit.
    """

    kind: str
    name: str
    size_bytes: int
    spec: ModelSpec | None
    parameters: tuple[Parameter, ...]
    facts: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; non-finite numbers become strings."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        spec = None if self.spec is None else json.loads(self.spec.to_json())
        parameters = [
            {key: plain_number(value) for key, value in dataclasses.asdict(each).items()} for each in self.parameters
        ]
        return fields | {"spec": spec, "parameters": parameters}


def inspect(
    path: Path, options: WeightsOptions | None = None, on_notice: Callable[[str], None] = lambda _: None
) -> Description:
    """Describe a checkpoint, an artifact of any format, or any other file of weights.

    Args:
        path: the file.
        options: how to read third-party weights. With an architecture, they are checked against the network and
            described like a checkpoint.
        on_notice: called with a sentence about anything that was assumed or changed.

    Raises:
        InputError: the path is missing or a directory, or an option does not apply to the file or contradicts it.
        ArtifactError: the file is unreadable, damaged or of an unknown kind.
    """
    options = options or WeightsOptions()
    require_file(path, "artifact")
    if formats.is_artifact(path):
        return _artifact(path, options)
    found = third_party_weights(path, trust_pickle=options.trust_pickle, on_notice=on_notice)
    if found is not None and not found.is_lenetx and options.architecture is None and found.spec is None:
        return _tensors(path, found, options)
    unknown = found is None and path.suffix not in checkpoint_file.SUFFIXES
    if unknown and not checkpoint_file.recognises(read_bytes(path, "checkpoint")):
        formats.open_artifact(path)  # raises: it lists the kinds of file
    if options == WeightsOptions(trust_pickle=options.trust_pickle) and (found is None or found.is_lenetx):
        return _checkpoint(path, checkpoint_file.read(path))
    return _checkpoint(path, checkpoint_of(path, found, options, on_notice))


def _tensors(path: Path, found: Found, options: WeightsOptions) -> Description:
    """Describe weights whose network is unknown."""
    if options != WeightsOptions(trust_pickle=options.trust_pickle):
        require_architecture(path, found, None)  # raises: nothing can be stated of weights alone
    tensors = matching.as_float32(found.tensors, lambda _: None)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    own = {} if found.network is None else {"network": found.network}
    return _description(found.kind, path, None, arrays, {"fits": list(matching.matching_networks(tensors)), **own})


def _checkpoint(path: Path, found: Checkpoint) -> Description:
    arrays = {name: tensor.numpy() for name, tensor in found.state_dict.items()}
    facts = {**found.metrics, "config": dict(found.config), "history": [dict(epoch) for epoch in found.history]}
    return _description("checkpoint", path, found.spec, arrays, facts)


def _artifact(path: Path, options: WeightsOptions) -> Description:
    if foreign_onnx.is_foreign(path):
        if options != WeightsOptions(trust_pickle=options.trust_pickle, accept_code=options.accept_code):
            raise InputError(
                f"'{path}' is an ONNX file of another program, of which nothing can be stated here: omit the options "
                f"about weights, or give them to 'lenetx verify {path} --against WEIGHTS'."
            )
        about, arrays = foreign_onnx.described(path)
        sha256 = hashlib.sha256(read_bytes(path, "model")).hexdigest()
        return _description(
            "onnx", path, None, arrays, {"proof": conclusion_of(path, sha256), "sha256": sha256, **about}
        )
    artifact, held = formats.describe_artifact(path)
    options.require_for_artifact(str(path), artifact.spec.network_output)
    options.stated.require_agreement(artifact.spec, str(path))
    proof = conclusion_of(path, artifact.sha256)
    if artifact.spec.origin == UNPROVEN:
        proof = f"unproven: {unproven_words(path.name)}"
    facts = {"proof": proof, "sha256": artifact.sha256, "manifest": entry_of(path)}
    return _description(artifact.format, path, artifact.spec, held or {}, facts)


def _description(
    kind: str, path: Path, spec: ModelSpec | None, arrays: "Mapping[str, NDArray[np.float32]]", facts: Mapping[str, Any]
) -> Description:
    parameters = tuple(Parameter.of(name, array) for name, array in arrays.items())
    return Description(kind, path.name, path.stat().st_size, spec, parameters, facts)
