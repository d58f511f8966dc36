"""Run a network in float64, even if its code names other dtypes.

The network is unchanged and keeps its float32 weights. Its input is a carrier, a tensor that looks like float32 but
holds float64, and so is everything computed from the input or a weight. So casts to float32, masks and layers in
plain lists work unchanged. A constant that the code creates keeps its float32 values, which every artifact contains.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from .copies import copy_sharing_tensors
from .user_code import user_code

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Float64Network", "Twins"]


class Twins:
    """Cache the float64 counterparts of float32 tensors, so that each is converted once."""

    def __init__(self) -> None:
        self._pairs: dict[int, tuple[Tensor, Tensor]] = {}

    def of(self, tensor: "Tensor") -> "Tensor":
        """Return the tensor in float64, always the same object; an integer tensor is returned itself."""
        from .carrier import wide

        dtype = wide(tensor.dtype)
        if dtype == tensor.dtype:
            return tensor
        if id(tensor) not in self._pairs:
            self._pairs[id(tensor)] = tensor, tensor.detach().to(dtype)
        return self._pairs[id(tensor)][1]


class Float64Network:
    """Run a network in float64: maps float64[N, C, H, W] to float64[N, K] logits.

    Args:
        network: the network, in eval mode, float32, on the CPU.
        title: name of the network, for messages.
        twins: a cache that is shared with networks that have the same tensors; a new one by default.
    """

    def __init__(self, network: "nn.Module", title: str = "The network", twins: Twins | None = None) -> None:
        self.network, self.title, self.twins = network, title, Twins() if twins is None else twins
        tensors = [*network.named_parameters(remove_duplicate=False), *network.named_buffers(remove_duplicate=False)]
        self._own = {id(tensor): (name, tensor) for name, tensor in reversed(tensors)}
        for _, tensor in tensors:
            self.twins.of(tensor)

    def __call__(self, inputs: "Tensor") -> "Tensor":
        """Run the network without gradients; if it modifies its input, it modifies ``inputs``.

        Raises:
            InputError: the network's code raised an error.
        """
        import torch

        from .carrier import Carrier, Watch

        run = _Run(self.twins, self._own.keys())
        with user_code(self.title, " in float64"), torch.no_grad(), Watch(run.call):
            found = self.network(Carrier(inputs, torch.float32))
        logits: Tensor = run.exact(found)
        return logits

    def copied(self) -> "Float64Network":
        """Return a copy that shares all tensors.

        Raises:
            Exception: whatever a custom module raises, for example because it holds a lock or an open file.
        """
        return Float64Network(copy_sharing_tensors(self.network), self.title, self.twins)

    def names(self) -> dict[int, str]:
        """Return the names of the parameters and buffers by the ``id`` of their float64 counterparts."""
        return {id(self.twins.of(tensor)): name for name, tensor in self._own.values()}


class _Run:
    """The state of one forward pass.

    Args:
        twins: the float64 counterparts of the network's tensors.
        own: the ``id`` of each of the network's tensors.
    """

    def __init__(self, twins: Twins, own: Collection[int]) -> None:
        self._twins, self._own = twins, own
        self._constants: dict[int, tuple[Tensor, Tensor]] = {}
        """By storage address of a constant: a tensor that keeps the storage alive, and its values in float64."""
        self._written: set[int] = set()
        """Addresses of storages that results were written to; they are no longer constant."""

    def exact(self, value: Any) -> Any:
        """Return the float64 counterpart of a tensor or dtype; any other value unchanged."""
        import torch

        from .carrier import Carrier, wide

        if isinstance(value, Carrier):
            return value.exact
        if isinstance(value, torch.dtype):
            return wide(value)
        if not isinstance(value, torch.Tensor) or id(value) in self._own:
            return self._twins.of(value) if isinstance(value, torch.Tensor) else value
        return self._constant(value)

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call an operator, in float64 if an argument depends on the input or a weight."""
        from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

        from .carrier import carried, follow_shape, looks_of, native, writes

        leaves, spec = tree_flatten((args, kwargs))
        if not any(map(self._is_live, leaves)):
            if func._schema.is_mutable:
                for leaf in leaves:
                    self._constants.pop(_address(leaf), None)  # its values may change
            return func(*args, **kwargs)
        given = [self.exact(leaf) for leaf in leaves]
        new_args, new_kwargs = tree_unflatten(given, spec)
        found = native(func)(*new_args, **new_kwargs)
        for leaf in writes(func, args, kwargs):
            if _address(leaf) in self._constants:
                self._written.add(_address(leaf))
        follow_shape(func, args, kwargs)
        known = {id(one): leaf for one, leaf in zip(given, leaves, strict=True)}
        looks = looks_of(leaves)
        return tree_map(lambda result: known.get(id(result), carried(result, looks)), found)

    def _is_live(self, value: Any) -> bool:
        from .carrier import Carrier

        return isinstance(value, Carrier) or id(value) in self._own or _address(value) in self._written

    def _constant(self, tensor: "Tensor") -> "Tensor":
        """Return the float64 counterpart of a constant; views of one storage share their float64 memory."""
        import torch

        from .carrier import wide

        dtype = wide(tensor.dtype)
        if dtype == tensor.dtype:
            return tensor
        address = _address(tensor)
        if not address:
            return tensor.detach().to(dtype)
        if address not in self._constants:
            flat = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
            self._constants[address] = tensor, flat.to(dtype)
        return self._constants[address][1].as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())


def _address(value: Any) -> int:
    """Return the address of a tensor's storage, or 0 if it has none."""
    import torch

    from .carrier import Carrier

    if not isinstance(value, torch.Tensor) or isinstance(value, Carrier) or value.layout != torch.strided:
        return 0
    return value.untyped_storage().data_ptr()
