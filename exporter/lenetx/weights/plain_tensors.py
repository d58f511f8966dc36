"""Make tensors plain (dense, on the CPU, without gradients), check that they are, and compute their digest."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["plain", "require_plain", "weights_sha256"]


def weights_sha256(state_dict: "Mapping[str, Tensor]") -> str:
    """Return the SHA-256 of the names, dtypes, shapes and little-endian bytes of all tensors, sorted by name."""
    digest = hashlib.sha256()
    for name in sorted(state_dict):
        array = state_dict[name].detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype.name} {list(array.shape)}\n".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()


def plain(tensor: "Tensor") -> "Tensor":
    """Return a dense copy on the CPU that requires no gradient."""
    import torch

    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def require_plain(weights: "Mapping[str, Tensor]") -> None:
    """Check that all tensors are plain: an expanded view could be larger than the memory.

    Raises:
        ValueError: a tensor is not dense, contiguous, on the CPU and without gradient.
    """
    import torch

    for name, tensor in weights.items():
        dense = isinstance(name, str) and isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided
        if (
            not dense
            or tensor.device.type != "cpu"
            or tensor.is_conj()
            or tensor.is_neg()
            or tensor.requires_grad
            or not tensor.is_contiguous()
        ):
            raise ValueError(f"{name} is no plain tensor")
