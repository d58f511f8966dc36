"""Compute a network in float64, whatever dtypes its own code names.

The network stays as it is, with its float32 weights. Its input is a carrier, which looks like float32 to
the network's code and holds float64, and so is all that the code computes from it or from a weight: casts to
float32, masks, and layers in plain lists need no change. A constant that the code makes keeps the float32 numbers that
every artifact holds.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from .copies import sharing
from .user_code import user_code

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Double", "Twins"]


class Twins:
    """Hold the float64 values of float32 tensors, each converted once."""

    def __init__(self) -> None:
        self._pairs: dict[int, tuple[Tensor, Tensor]] = {}

    def of(self, tensor: "Tensor") -> "Tensor":
        """Return the tensor in float64, the same one for the same tensor; of whole numbers the tensor itself."""
        from .carrier import wide

        dtype = wide(tensor.dtype)
        if dtype == tensor.dtype:
            return tensor
        if id(tensor) not in self._pairs:
            self._pairs[id(tensor)] = tensor, tensor.detach().to(dtype)
        return self._pairs[id(tensor)][1]


class Double:
    """A network in float64: call it with float64[N, C, H, W] for float64[N, K] logits.

    Args:
        network: in eval mode and float32, on the CPU.
        title: of the network in messages.
        twins: the float64 values of tensors that it shares with other networks.
    """

    def __init__(self, network: "nn.Module", title: str = "The network", twins: Twins | None = None) -> None:
        self.network, self.title, self.twins = network, title, Twins() if twins is None else twins
        tensors = [*network.named_parameters(remove_duplicate=False), *network.named_buffers(remove_duplicate=False)]
        self._own = {id(tensor): (name, tensor) for name, tensor in reversed(tensors)}
        for _, tensor in tensors:
            self.twins.of(tensor)

    def __call__(self, inputs: "Tensor") -> "Tensor":
        """Run the network once, without gradients. What it writes into its input is written into ``inputs``.

        Raises:
            InputError: its code raised an error.
        """
        import torch

        from .carrier import Carrier, Watch

        run = _Run(self.twins, self._own.keys())
        with user_code(self.title, " in float64"), torch.no_grad(), Watch(run.call):
            found = self.network(Carrier(inputs, torch.float32))
        logits: Tensor = run.exact(found)
        return logits

    def copied(self) -> "Double":
        """Copy it, but none of the tensors.

        Raises:
            Exception: whatever a custom module raises that holds a lock or an open file.
        """
        return Double(sharing(self.network), self.title, self.twins)

    def names(self) -> dict[int, str]:
        """Return the names of the parameters and buffers by the ``id`` of their float64 values."""
        return {id(self.twins.of(tensor)): name for name, tensor in self._own.values()}


class _Run:
    """One forward pass.

    Args:
        twins: of the network's tensors.
        own: the ``id`` of each of them.
    """

    def __init__(self, twins: Twins, own: Collection[int]) -> None:
        self._twins, self._own = twins, own
        self._constants: dict[int, tuple[Tensor, Tensor]] = {}
        """A tensor on each storage of a constant, by its address, and all numbers of the storage in float64."""
        self._written: set[int] = set()
        """Those of the storages into which results were written: they are constants no longer."""

    def exact(self, value: Any) -> Any:
        """Return the float64 values of a tensor, and the wide one of a dtype; any other value as it is."""
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
        """Call an operator in float64 if it reads the input or a weight."""
        from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

        from .carrier import carried, follow_shape, looks_of, native, writes

        leaves, spec = tree_flatten((args, kwargs))
        if not any(map(self._is_live, leaves)):
            if func._schema.is_mutable:
                for leaf in leaves:
                    self._constants.pop(_address(leaf), None)  # its numbers may change
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
        """Return the float64 values of a tensor that is none of the network's, on memory that its views share."""
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
    """Return the address of a tensor's storage, or 0 where it has none."""
    import torch

    from .carrier import Carrier

    if not isinstance(value, torch.Tensor) or isinstance(value, Carrier) or value.layout != torch.strided:
        return 0
    return value.untyped_storage().data_ptr()
