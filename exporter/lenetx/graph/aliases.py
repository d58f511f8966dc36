"""Find one name for tensors with the same numbers, of which a file may store only one."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["aliases"]


def aliases(tensors: "Mapping[str, Tensor]") -> Mapping[str, str]:
    """Return, for each name, the first name whose tensor has the same dtype, shape and bits.

    Args:
        tensors: the network's parameters and buffers by name, on the CPU.
    """
    alike: dict[object, list[str]] = defaultdict(list)
    for name, tensor in tensors.items():
        alike[tensor.dtype, tensor.shape].append(name)
    found: dict[str, str] = {}
    for names in alike.values():
        firsts: dict[bytes, str] = {}
        for name in names:
            bits = b"" if len(names) == 1 else _digest(tensors[name])
            found[name] = firsts.setdefault(bits, name)
    return found


def _digest(tensor: "Tensor") -> bytes:
    return hashlib.sha256(tensor.detach().contiguous().numpy().data).digest()
