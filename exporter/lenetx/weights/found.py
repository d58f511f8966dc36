"""Define the input and the result of a weights reader."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lenetx_runtime import ModelSpec

from ..errors import ArtifactError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Found", "Source"]

_LISTED = 5
_MOST_COPIES = 16
"""Maximum size of all tensors, as a multiple of the file's size: tied weights share storage, but are copied."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read.

    Attributes:
        path: path of the file.
        data: contents of the file.
        trust: whether code in the file may be run.
        on_notice: called with a sentence about anything that the user should know.
    """

    path: Path
    data: bytes
    trust: bool
    on_notice: Callable[[str], None]

    def require_plain(self, tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        """Return contiguous copies on the CPU, without gradients or shared storage.

        Raises:
            ArtifactError: there are no tensors, a value is not a dense real tensor, or the copies would take far more
                memory than the file.
        """
        import torch

        for name, tensor in tensors.items():
            if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
                raise ArtifactError(f"Beside tensors it holds {name!r}, a {type(tensor).__name__}.")
            if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.is_nested or not _is_dense(tensor):
                raise ArtifactError(f"{name} is not a dense tensor: save it as one.")
            if tensor.is_complex():
                raise ArtifactError(f"{name} holds complex numbers, which no network here has.")
        if not tensors:
            raise ArtifactError("It holds no tensors.")
        if sum(tensor.nbytes for tensor in tensors.values()) > _MOST_COPIES * len(self.data):
            raise ArtifactError("Its tensors are far larger than the file: they repeat a few numbers.")
        plain = {name: tensor.detach().resolve_neg() for name, tensor in tensors.items()}
        return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in plain.items()}

    def without_others(self, entries: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        """Return only the tensors of a state_dict, with a note about what was left out."""
        import torch

        others = [name for name, value in entries.items() if not isinstance(value, torch.Tensor)]
        kept = {name: value for name, value in entries.items() if isinstance(value, torch.Tensor)}
        if others and kept:
            more = f" and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
            listed = ", ".join(map(str, others[:_LISTED]))
            self.on_notice(f"Left out of '{self.path.name}', because they are not tensors: {listed}{more}.")
        return kept


def _is_dense(tensor: "Tensor") -> bool:
    import torch

    return tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized


@dataclass(frozen=True, slots=True)
class Found:
    """Weights found in a file.

    Attributes:
        kind: kind of file, in words.
        tensors: dense tensors on the CPU, of any dtype, by name.
        spec: the spec in the file, if lenetx wrote it.
        is_lenetx: whether the file is a lenetx checkpoint or run state, which ``checkpoint_file.load`` reads whole.
        network: name of the class of a pickled custom module.
    """

    kind: str
    tensors: "Mapping[str, Tensor]"
    spec: ModelSpec | None = None
    is_lenetx: bool = False
    network: str | None = None
