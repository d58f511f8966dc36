"""Find one name for tensors with the same numbers, of which a file may store only one."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from .expression import key_of_array
from .usage import digest

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["aliases"]


def aliases(tensors: "Mapping[str, Tensor]", computed: Collection[bytes] = ()) -> Mapping[str, str]:
    """Return, for each name, the first name whose tensor has the same dtype, shape and bits.

    The mapping also has the ``key_of_array`` of each tensor that something computed equals, since a file may store
    either under the name of the other.

    Args:
        tensors: the network's parameters and buffers by name, on the CPU.
        computed: ``digest`` of each other tensor that the network reads, see ``lenetx.graph.usage.Usage``.
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
    if computed:
        arrays = {name: tensors[name].detach().numpy() for name in [*found]}
        found |= {key_of_array(each): found[name] for name, each in arrays.items() if digest(each) in computed}
    return found


def _digest(tensor: "Tensor") -> bytes:
    return hashlib.sha256(tensor.detach().contiguous().numpy().data).digest()
