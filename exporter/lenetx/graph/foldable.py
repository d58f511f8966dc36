"""Find the batch norms that can be folded, by running a network on one batch.

Operators are observed, not code, so modules in plain lists, computed sizes and Python control flow are supported.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["foldable", "rest_of"]

_NORMS = ("native_batch_norm", "_native_batch_norm_legit_no_training")
_READS_NUMBERS = ("_local_scalar_dense", "is_nonzero", "equal", "item")
"""Operators that return a number to Python: for another image, the code may take another branch."""


def foldable(network: "nn.Module", shape: tuple[int, int, int]) -> "list[tuple[Any, Any]]":
    """Find each layer whose output is read by one batch norm and nothing else.

    Args:
        network: in eval mode, on the CPU.
        shape: (channels, height, width) of its input.

    Returns:
        Pairs of a plain convolution or dense layer and a batch norm, both called once; empty if the code does not run
        on zeros or reads single numbers of a tensor.
    """
    watch = _watched(network, shape)
    if watch is None:
        return []
    modules = list(network.modules())
    owners = {id(each.weight): each for each in modules if _is_layer(each)}
    norms = {id(each.running_mean): each for each in modules if _is_norm(each)}
    shared = Counter(id(tensor) for each in modules for tensor in each.parameters(recurse=False))
    found = []
    for inputs, mean in watch.norms:
        norm, layer = norms.get(id(mean)), owners.get(watch.weight_of(inputs))
        if norm is None or layer is None or watch.reads[id(inputs)] != 1:
            continue
        tensors = [*layer.parameters(recurse=False), *norm.parameters(recurse=False), norm.running_mean]
        if all(watch.reads[id(tensor)] == 1 and shared[id(tensor)] <= 1 for tensor in tensors):
            found.append((layer, norm))
    return found


class _Watch:
    """Records which layer computed each tensor, and how often each tensor was read.

    Attributes:
        norms: the input and the running mean of each batch norm call.
        reads: how often a tensor was read, by its ``id``.
        tells: whether the code read a single number of a tensor.
    """

    def __init__(self) -> None:
        self.norms: list[tuple[Tensor, Tensor]] = []
        self.reads: Counter[int] = Counter()
        self.tells = False
        self._affine: dict[int, int] = {}
        """``id`` of the weight, by ``id`` of the output of a convolution or dense layer."""
        self._turned: dict[int, int] = {}
        self._kept: list[Any] = []
        """Keeps every recorded tensor alive, so that no ``id`` is reused."""

    def weight_of(self, value: "Tensor") -> int:
        return self._affine.get(id(value), 0)

    def see(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        import torch
        from torch.utils._pytree import tree_leaves

        name = func._schema.name.removeprefix("aten::")
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        self._kept += [tensors, result]
        self.reads.update(map(id, tensors))
        self.tells |= name in _READS_NUMBERS
        for each in result if isinstance(result, list | tuple) else [result]:
            self._affine.pop(id(each), None)  # changed in place, so no longer a layer's output
        if name == "t":
            self._turned[id(result)] = id(tensors[0])
        elif name == "convolution" and not args[6]:
            self._affine[id(result)] = id(args[1])
        elif name in ("addmm", "mm"):
            self._affine[id(result)] = self._turned.get(id(tensors[-1]), 0)
        elif name in _NORMS and args[3] is not None and not (name == _NORMS[0] and args[5]):
            self.norms.append((args[0], args[3]))


def _watched(network: "nn.Module", shape: tuple[int, int, int]) -> _Watch | None:
    """Run a network on zeros; return ``None`` if it fails or reads single numbers of a tensor."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    from ..models.probe import fork_random

    watch = _Watch()

    class Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            watch.see(func, args, kwargs or {}, result)
            return result

    try:
        with torch.no_grad(), fork_random(), Mode():  # type: ignore[no-untyped-call]
            watch.reads.update(map(id, tree_leaves(network(torch.zeros(2, *shape)))))
    except Exception:  # whatever the network's code raises
        return None
    return None if watch.tells else watch


def _is_layer(module: Any) -> bool:
    """Return whether a module is one of torch's convolutions or dense layers, unmodified, with float32 weights."""
    import torch
    from torch import nn

    plain = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
    is_plain = isinstance(module, plain) and any(type(module).forward is each.forward for each in plain)
    return is_plain and _is_quiet(module) and all(each.dtype == torch.float32 for each in module.parameters())


def _is_norm(module: Any) -> bool:
    """Return whether a module is a batch norm in eval mode, with float32 statistics and nothing before the norm."""
    import torch
    from torch import nn

    plain = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    if not isinstance(module, plain) or module.training or not _is_quiet(module):
        return False
    tensors = [*module.parameters(), module.running_mean, module.running_var]
    if not all(each is not None and each.dtype == torch.float32 for each in tensors):
        return False
    return type(module).forward is nn.BatchNorm2d.forward or _is_followed_by_parts(module)


def rest_of(norm: Any) -> "nn.Module":
    """Return what a batch norm's class computes after the norm: its parts in order, as in timm's; usually nothing."""
    from torch import nn

    parts = dict(norm.named_children())
    return (nn.Sequential(OrderedDict(parts)) if parts else nn.Identity()).eval()


def _is_followed_by_parts(norm: Any) -> bool:
    """Return whether a batch norm's own ``forward`` is that of torch, followed by its parts."""
    import torch
    from torch.nn.functional import batch_norm

    def usual(images: "Tensor") -> Any:
        numbers = norm.running_mean, norm.running_var, norm.weight, norm.bias
        return rest_of(norm)(batch_norm(images, *numbers, False, norm.momentum or 0.0, norm.eps))

    images = torch.randn(2, norm.num_features, 3, 3, generator=torch.Generator().manual_seed(0))
    try:
        (found, calls), (right, wanted) = (_traced(run, images) for run in (norm, usual))
    except Exception:  # whatever the module's code raises
        return False
    return calls == wanted and torch.equal(found, right)


def _traced(run: "Callable[[Tensor], Any]", images: "Tensor") -> tuple[Any, list[Any]]:
    """Return the result, and the operators that compute it with what they read besides tensors."""
    import torch
    from torch.utils._pytree import tree_leaves

    from ..execution.carrier import Watch
    from ..models.probe import fork_random

    calls: list[Any] = []

    def call(func: Any, args: Any, kwargs: Any) -> Any:
        calls.append((func, [each for each in tree_leaves((args, kwargs)) if not isinstance(each, torch.Tensor)]))
        return func(*args, **kwargs)

    with torch.no_grad(), fork_random(), Watch(call):
        return run(images.clone()), calls


def _is_quiet(module: "nn.Module") -> bool:
    """Return whether a call of the module runs its class's ``forward`` and nothing else."""
    return not (module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))
