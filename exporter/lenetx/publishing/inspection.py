"""Describe a checkpoint or an artifact."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec
from lenetx_runtime.files import read_bytes

from .. import formats
from ..formats import foreign_onnx
from ..report import plain_number
from ..weights import checkpoint_file
from .certificate import conclusion_of
from .manifest import entry_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Description", "Parameter", "inspect"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One weight tensor: its name, shape, number of elements, smallest and largest value."""

    name: str
    shape: tuple[int, ...]
    count: int
    minimum: float
    maximum: float

    @classmethod
    def of(cls, name: str, array: "NDArray[np.float32]") -> "Parameter":
        """Describe an array of any shape with at least one element."""
        return cls(name, array.shape, array.size, float(array.min()), float(array.max()))


@dataclass(frozen=True, slots=True)
class Description:
    """The description of a checkpoint or an artifact.

    Attributes:
        kind: ``checkpoint`` or the format's name.
        name: the file name.
        size_bytes: the file's size in bytes.
        spec: the embedded spec; ``None`` for an ONNX file that another program wrote.
        parameters: its weights; empty if the format exposes none.
        facts: plain values: a checkpoint's metrics, config and history, or an artifact's conclusion (``proof``),
            digest and manifest entry; of a foreign file also its inputs, outputs, opset, operators and precision.
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


def inspect(path: Path) -> Description:
    """Describe a checkpoint, an artifact of any format or an ONNX file of another program.

    Raises:
        InputError: the path is missing, is a directory or has an unknown suffix.
        ArtifactError: the file is unreadable, damaged or not made by lenetx.
    """
    return _checkpoint(path) if path.suffix in checkpoint_file.SUFFIXES else _artifact(path)


def _checkpoint(path: Path) -> Description:
    found = checkpoint_file.read(path)
    arrays = {name: tensor.numpy() for name, tensor in found.state_dict.items()}
    facts = {**found.metrics, "config": dict(found.config), "history": [dict(epoch) for epoch in found.history]}
    return _description("checkpoint", path, found.spec, arrays, facts)


def _artifact(path: Path) -> Description:
    if foreign_onnx.is_foreign(path):
        about, arrays = foreign_onnx.described(path)
        sha256 = hashlib.sha256(read_bytes(path, "model")).hexdigest()
        return _description(
            "onnx", path, None, arrays, {"proof": conclusion_of(path, sha256), "sha256": sha256, **about}
        )
    opened = formats.open_artifact(path)
    proof = conclusion_of(path, opened.artifact.sha256)
    facts = {"proof": proof, "sha256": opened.artifact.sha256, "manifest": entry_of(path)}
    return _description(opened.artifact.format, path, opened.artifact.spec, opened.weights or {}, facts)


def _description(
    kind: str, path: Path, spec: ModelSpec | None, arrays: "Mapping[str, NDArray[np.float32]]", facts: Mapping[str, Any]
) -> Description:
    parameters = tuple(Parameter.of(name, array) for name, array in arrays.items())
    return Description(kind, path.name, path.stat().st_size, spec, parameters, facts)
